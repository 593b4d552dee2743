package server

import (
	"reflect"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
)

// Who reads the trail sees where something was changed, and by how much.
func TestDriftIsToldWithBothFigures(t *testing.T) {
	e := drifted(quota.Check{
		Folder: path.MustParse("/home/bob"),
		Booked: quota.Amount{Bytes: 10, Files: 1}, Stored: quota.Amount{Bytes: 3, Files: 2},
	})
	before, after := map[string]any{"used_bytes": int64(10), "used_files": int64(1)}, map[string]any{"used_bytes": int64(3), "used_files": int64(2)}
	if e.Kind != events.QuotaDrift || e.Path != "/home/bob" || !reflect.DeepEqual(e.Before, before) || !reflect.DeepEqual(e.After, after) {
		t.Errorf("got %+v", e)
	}
}
