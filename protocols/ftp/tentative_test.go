package ftp

import (
	"strings"
	"testing"
)

// An upload whose data connection does not come to its handshake leaves no empty
// file behind under a name that was free, whichever verb made it; a file that was
// there before stays as it was.
func TestUploadWithoutHandshakeLeavesNoFile(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/old", "content")
	c := s.dial(t).secure(s.trust()).login(s.Add("anna"))
	for _, command := range []string{"STOR new", "APPE new", "STOU new", "STOR old", "APPE old"} {
		conn := c.data()
		c.must(150, "%s", command)
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		_ = conn.CloseWrite()
		if code, text := c.reply(); code != 522 {
			t.Errorf("%s: %d %s", command, code, text)
		}
		if _, made := s.Read("/home/anna/new"); made {
			t.Errorf("%s left a file", command)
		}
	}
	if got, _ := s.Read("/home/anna/old"); got != "content" {
		t.Errorf("the file that was there is %q", got)
	}
	c.put("", "STOR new")
	if got, made := s.Read("/home/anna/new"); !made || got != "" {
		t.Errorf("an empty upload made %q, %v", got, made)
	}
	if listed := c.get("NLST"); strings.Count(listed, "\n") != 2 {
		t.Errorf("listed: %q", listed)
	}
}
