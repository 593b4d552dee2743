package sftp_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp/wire"
)

// bubbleCommand runs a command over a connection of its own.
func (w *world) bubbleCommand(t *testing.T, p *pipes, line string) *spoken {
	t.Helper()
	conn, channels, requests := p.login(t, w)
	s, err := ssh.NewClient(conn, channels, requests).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Start(line); err != nil {
		t.Fatal(err)
	}
	return &spoken{t, in, out, s}
}

// A server that stops lets a command come to its end, and its client hear how it
// ended: an upload that was complete is not reported as one that failed.
func TestShutdownLetsCommandsEnd(t *testing.T) {
	inBubble(t, func(*world) {}, func(t *testing.T, w *world, p *pipes) {
		upload, hash := w.bubbleCommand(t, p, "scp -t /"), w.bubbleCommand(t, p, "md5sum")
		io.WriteString(upload.in, "C0600 4 new\nab")
		time.Sleep(time.Second)
		stopped := make(chan error)
		go func() { stopped <- w.server.Shutdown(t.Context()) }() // ends when all are gone
		time.Sleep(time.Second)
		if out, status := upload.says("cd\x00"); status != 0 || out != "\x00\x00\x00" {
			t.Errorf("scp: status %d, %q", status, out)
		}
		if out, status := hash.says("abc"); status != 0 || !strings.HasPrefix(out, "900150983cd24fb0d6963f7d28e17f72") {
			t.Errorf("md5sum: status %d, %q", status, out)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if got := w.content("alice", "new"); got != "abcd" {
			t.Errorf("the file holds %q", got)
		}
	})
}

// A connection that runs commands is not idle.
func TestCommandsAreActivity(t *testing.T) {
	idle := func(w *world) { w.config.Limits.Idle = 10 * time.Minute }
	inBubble(t, idle, func(t *testing.T, w *world, p *pipes) {
		conn, channels, requests := p.login(t, w)
		c := ssh.NewClient(conn, channels, requests)
		for range 5 {
			time.Sleep(6 * time.Minute)
			s, err := c.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			if out, err := s.Output("pwd"); err != nil || string(out) != "/\n" {
				t.Fatalf("%q, %v", out, err)
			}
		}
		gone := ended(conn)
		time.Sleep(11 * time.Minute)
		if !is(gone) {
			t.Error("an idle connection is still there")
		}
	})
}

// Where too much is open a command is not run, and says why.
func TestCommandsCountAsOpen(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Handles = 1
	w.add("alice")
	w.serve()
	w.put("alice", "f", "x")
	r := w.raw("alice")
	r.open("/f", wire.FlagRead)
	s, err := r.ssh.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	s.Stderr = &told
	if err := s.Run("pwd"); err == nil || told.String() != "too many open files\n" {
		t.Errorf("%v, %q", err, told.String())
	}
}

// A tree holds no more folders open than a connection may have, however deep it is.
func TestSCPOfADeepTreeKeepsToTheLimit(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Handles = 8
	w.add("alice")
	w.serve()
	w.put("alice", strings.Repeat("d/", 30)+"f", "deep")
	w.put("alice", "d/e", "beside")
	out, status := w.command("alice", "scp -r -f /d").says(strings.Repeat("\x00", 200))
	if n := strings.Count(out, " 0 d\n"); status != 1 || n != 7 || !strings.Contains(out, "too many open files") {
		t.Errorf("status %d, %d folders, %q", status, n, out)
	}
	if !strings.Contains(out, "beside\x00") {
		t.Errorf("what is not so deep is not sent: %q", out)
	}
	if out, status := w.command("alice", "scp -r -f "+strings.Repeat("/d", 26)).says(strings.Repeat("\x00", 200)); status != 0 || !strings.Contains(out, "deep\x00") {
		t.Errorf("what is not so deep: status %d, %q", status, out)
	}
}

// A tree that is being sent when the server stops is sent to its end.
func TestShutdownLetsATreeEnd(t *testing.T) {
	inBubble(t, func(*world) {}, func(t *testing.T, w *world, p *pipes) {
		for i := range 3 {
			w.put("alice", fmt.Sprintf("d/%d/f", i), "content")
		}
		c := w.bubbleCommand(t, p, "scp -r -f /d")
		io.WriteString(c.in, "\x00")
		time.Sleep(time.Second)
		stopped := make(chan error)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go func() { stopped <- w.server.Shutdown(ctx) }() // ends when all are gone
		time.Sleep(time.Second)
		if out, status := c.says(strings.Repeat("\x00", 100)); status != 0 || strings.Count(out, "content\x00") != 3 {
			t.Errorf("status %d, %q", status, out)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}
