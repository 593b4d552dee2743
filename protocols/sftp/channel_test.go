package sftp_test

import (
	"errors"
	"testing"

	"golang.org/x/crypto/ssh"

	pkgsftp "github.com/pkg/sftp"

	"gatehouse/protocols/sftp"
	"gatehouse/protocols/sftp/wire"
)

func (w *world) start() error {
	_, err := sftp.New(w.config)
	return err
}

// Only sessions are opened: the gateway is nobody's way into a network.
func TestOtherChannelsAreRefused(t *testing.T) {
	w := serving(t)
	c := w.dial("alice")
	for _, kind := range []string{"direct-tcpip", "forwarded-tcpip", "x11", "auth-agent@openssh.com", "direct-streamlocal@openssh.com", "tun@openssh.com", ""} {
		_, _, err := c.OpenChannel(kind, ssh.Marshal(struct {
			Host string
			Port uint32
			From string
			At   uint32
		}{"127.0.0.1", 22, "127.0.0.1", 1}))
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != ssh.Prohibited {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// A session grants the sftp subsystem, once, and nothing else: no command, no
// terminal, no environment, no forwarding.
func TestOnlyTheSubsystemIsGranted(t *testing.T) {
	w := serving(t)
	ch, requests, err := w.dial("alice").OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests) // ends with the channel
	name := func(s string) []byte { return ssh.Marshal(struct{ Name string }{s}) }
	refused := func(when string) {
		for kind, payload := range map[string][]byte{
			"exec": []byte("malformed"), "shell": nil, "pty-req": name("xterm"), "env": name("LANG"),
			"x11-req": nil, "auth-agent-req@openssh.com": nil, "signal": name("TERM"), "": nil,
		} {
			if ok, err := ch.SendRequest(kind, true, payload); ok || err != nil {
				t.Errorf("%s: %q was granted: %v, %v", when, kind, ok, err)
			}
		}
		for _, sub := range []string{"", "netconf", "sftp\x00"} {
			if ok, _ := ch.SendRequest("subsystem", true, name(sub)); ok {
				t.Errorf("%s: the subsystem %q was granted", when, sub)
			}
		}
		if ok, _ := ch.SendRequest("subsystem", true, []byte("sftp")); ok {
			t.Errorf("%s: a malformed request was granted", when)
		}
	}
	refused("before")
	if ok, err := ch.SendRequest("subsystem", true, name("sftp")); !ok || err != nil {
		t.Fatalf("sftp was refused: %v", err)
	}
	refused("after")
	if ok, _ := ch.SendRequest("subsystem", true, name("sftp")); ok {
		t.Error("a channel was served twice")
	}
	if ok, _ := ch.SendRequest("exec", true, name("pwd")); ok {
		t.Error("a command was run beside the subsystem")
	}
}

// One connection may not hold channels without bound, and those that it closes
// come back.
func TestChannelFlood(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Channels = 4
	w.add("alice")
	w.serve()
	w.put("alice", "f", "x")
	c := w.dial("alice")
	var open []*pkgsftp.Client
	for range 4 {
		s, err := pkgsftp.NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	for range 1000 {
		_, _, err := c.OpenChannel("session", nil)
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
			t.Fatalf("one too many: %v", err)
		}
	}
	open[0].Close()
	waitFor(t, "a closed channel makes room", func() bool {
		s, err := pkgsftp.NewClient(c)
		if err == nil {
			open = append(open, s)
		}
		return err == nil
	})
	for _, s := range open[1:] {
		if _, err := s.Stat("/f"); err != nil {
			t.Errorf("a channel does not go on: %v", err)
		}
	}
}

// Global requests are refused however many there are, and nothing waits for them.
func TestGlobalRequestsAreRefused(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "keepalive@openssh.com", ""} {
		if ok, _, err := r.ssh.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("%q: %v, %v", kind, ok, err)
		}
	}
	for range 5000 {
		r.ssh.SendRequest("tcpip-forward", false, nil)
	}
	if got := r.ask(wire.Realpath, ".").name(); got != "/" {
		t.Errorf("the session does not go on: %q", got)
	}
}
