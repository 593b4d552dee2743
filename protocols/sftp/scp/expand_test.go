package scp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp/subsystem"
	"gatehouse/protocols/sftp/words"
)

// A steps context ends when it was asked so often whether it has.
type steps struct {
	context.Context
	left int
	end  context.CancelFunc
}

func (s *steps) Err() error {
	if s.left--; s.left == 0 {
		s.end()
	}
	return s.Context.Err()
}

// A few bytes of a pattern may have a thousand folders listed. A client that is
// gone, before or in the midst of it, has none of them looked at any more, and is
// not answered with what was found till then.
func TestPatternsOfAClientThatIsGone(t *testing.T) {
	w := protocoltest.NewWorld(t)
	anna := w.Add("anna")
	for i := range 20 {
		w.Write(fmt.Sprintf("/home/anna/d%02d/e/f", i), "")
	}
	s, err := w.Sessions.Login(t.Context(), auth.Attempt{
		Account: anna.Name, Password: anna.Password, Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("127.0.0.1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, pattern := range []string{"/*/*/f", "/*/e/f", "/*/e/*"} {
		list, err := words.Split(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all := &transfer{Config: Config{FS: s.FS(), Handles: subsystem.NewHandles(10)}}
		if found, err := all.expand(t.Context(), list[0]); err != nil || len(found) != 20 {
			t.Fatalf("%s stands for %d files, %v", pattern, len(found), err)
		}
		for _, left := range []int{1, 8} {
			inner, end := context.WithCancel(t.Context())
			some := &transfer{Config: Config{FS: s.FS(), Handles: subsystem.NewHandles(10)}}
			found, err := some.expand(&steps{inner, left, end}, list[0])
			end()
			if !errors.Is(err, context.Canceled) || found != nil {
				t.Errorf("%s of one who is gone after %d steps stands for %d files, %v", pattern, left, len(found), err)
			}
			if most := min(left, all.listings); some.listings > most {
				t.Errorf("%s of one who is gone after %d steps looked into %d folders", pattern, left, some.listings)
			}
		}
	}
}
