package ftp

import (
	"runtime"
	"testing"
	"time"

	"gatehouse/protocols/protocoltest"
)

// A refused upload has its data connection drained for a while: one for each
// session, however many it has refused, and none once the session is over.
func TestRefusedUploadsDoNotPileUp(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	s.SetQuota("/home/anna", 10, -1)
	c := s.dial(t).login(p)
	before := runtime.NumGoroutine()
	for range 40 {
		conn := c.data() // stays open until the test is over
		c.must(150, "STOR f")
		if _, err := conn.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		c.expect(552)
	}
	start := time.Now()
	waitFor(t, "the others to be over", func() bool { return runtime.NumGoroutine() < before+10 })
	c.must(221, "QUIT")
	waitFor(t, "the connection to be over", func() bool { return s.server.count() == 0 })
	if took := time.Since(start); took > soon {
		t.Errorf("took %v", took)
	}
}

// REIN starts the time for a login anew for who was in, and for nobody else.
func TestREINDoesNotProlongTheLogin(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s := newSite(t, func(c *Config) { c.Limits.Login = 300 * time.Millisecond })
		c := s.dial(t)
		start := time.Now()
		for code := 220; code == 220 && time.Since(start) < patience; {
			code, _ = c.cmd("REIN")
		}
		c.gone(patience)
		if took := time.Since(start); took > patience/2 {
			t.Errorf("ended after %v", took)
		}
	})
}
