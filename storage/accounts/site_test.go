package accounts

import (
	"errors"
	"reflect"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestSite(t *testing.T) {
	s := open(t, memory.New())
	site, err := s.Site(t.Context())
	if err != nil || !reflect.DeepEqual(site.Site, policy.DefaultSite()) || site.Revision != 0 {
		t.Errorf("got %+v %v, want the default", site, err)
	}
	now, err := s.UpdateSite(t.Context(), 0, func(s *Site) error { s.Language = "de"; return nil }, Guarded)
	if err != nil || now.Language != "de" || now.Revision == 0 {
		t.Errorf("got %+v %v", now, err)
	}
	if _, err := s.UpdateSite(t.Context(), now.Revision+1, func(*Site) error { return nil }, Guarded); !errors.Is(err, state.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	for field, change := range map[string]func(*Site){
		"time_zone":       func(s *Site) { s.TimeZone = "nowhere" },
		"language":        func(s *Site) { s.Language = "!" },
		"plain_ftp":       func(s *Site) { s.PlainFTP = "inherit" },
		"lockout.period":  func(s *Site) { s.Lockout.Period = "soon" },
		"limits.sessions": func(s *Site) { s.Limits.Sessions = -2 },
	} {
		_, err := s.UpdateSite(t.Context(), 0, func(s *Site) error { change(s); return nil }, Guarded)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("got %v, want a refusal of %q", err, field)
		}
	}
	if again, err := open(t, s.state).Site(t.Context()); err != nil || !reflect.DeepEqual(again, now) {
		t.Errorf("after a restart: got %+v %v", again, err)
	}
}
