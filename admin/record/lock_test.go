package record

import (
	"testing"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
)

func TestViewLock(t *testing.T) {
	l := locks.Lock{Token: "urn:uuid:1", Path: path.MustParse("/a"), Account: "ann", Timeout: time.Minute, Owner: "mine"}
	if v := ViewLock(l); v.Depth != "0" || v.Scope != "exclusive" || v.TimeoutSeconds != 60 || v.Path != "/a" {
		t.Errorf("got %+v", v)
	}
	l.Deep, l.Shared = true, true
	if v := ViewLock(l); v.Depth != "infinity" || v.Scope != "shared" {
		t.Errorf("got %+v", v)
	}
}

// What a client calls itself is shown as text, whatever it wrapped it in.
func TestLockOwner(t *testing.T) {
	for sent, want := range map[string]string{
		"":     "",
		"mine": "mine",
		`<owner xmlns="DAV:">Ann's &amp; Bob's</owner>`:                       "Ann's & Bob's",
		"<owner xmlns=\"DAV:\">\n <href>http://ann.example/</href>\n</owner>": "http://ann.example/",
		"<owner><b>cut": "cut",
	} {
		if got := lockOwner(sent); got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
	}
}
