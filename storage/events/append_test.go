package events

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is written by hand is what encoding/json would write and reads back,
// whatever stands in the fields; a field that is forgotten here fails.
func TestAppendIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[ -~]{0,12}`), rapid.String())
		s := stored{Event: Event{
			Position: rapid.Uint64().Draw(t, "position"),
			Time:     time.Unix(rapid.Int64Range(0, 1<<36).Draw(t, "time"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Bytes:    rapid.Int64().Draw(t, "bytes"),
			Took:     time.Duration(rapid.Int64().Draw(t, "took")),
		}}
		v := reflect.ValueOf(&s.Event).Elem()
		if v.NumField() != 23 {
			t.Fatalf("an event has %d fields now: are all of them written and drawn here?", v.NumField())
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.String {
				f.SetString(text.Draw(t, v.Type().Field(i).Name))
			}
		}
		if rapid.Bool().Draw(t, "address") {
			s.Address = rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")}).Draw(t, "which")
		}
		if rapid.Bool().Draw(t, "more") {
			s.Before, s.After = map[string]any{"a": text.Draw(t, "a")}, map[string]any{"n": 1.5, "l": []any{"x"}}
			s.Raw = map[string][]byte{"path": {0xff, 0}}
		}
		b, err := s.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		standard, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if err := json.Unmarshal(standard, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %s\nwant %s", b, standard)
		}
	})
}
