package sftp

import (
	"net/netip"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// A handshake that breaks after its login was admitted, and one that completes
// with another, leave no session behind.
func TestSessionsOfABrokenHandshakeEnd(t *testing.T) {
	w := protocoltest.NewWorld(t)
	ann := w.Add("ann")
	l := &login{c: &connection{server: &Server{config: Config{Manager: w.Sessions}}, log: w.Log}, ctx: t.Context()}
	in := func() (*ssh.Permissions, *session.Session) {
		p, err := l.in(auth.Attempt{
			Account: ann.Name, Password: ann.Password, Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("127.0.0.1"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return p, l.made[len(l.made)-1]
	}
	_, first := in()
	permissions, second := in()
	if got := l.session(permissions); got != second {
		t.Error("the handshake's session is another")
	}
	if first.Context().Err() == nil || second.Context().Err() != nil {
		t.Errorf("the first session: %v, the second: %v", first.Context().Err(), second.Context().Err())
	}
	if got := l.session(nil); got != nil || second.Context().Err() == nil {
		t.Errorf("after a broken handshake: session %v, its context %v", got, second.Context().Err())
	}
}
