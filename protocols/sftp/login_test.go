package sftp_test

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A door is a manager with something of its own before the real one.
type door struct {
	*session.Manager
	login func(context.Context, auth.Attempt) (*session.Session, error)

	mu      sync.Mutex
	offered []ssh.PublicKey
	tried   []auth.Attempt
}

func (d *door) OffersKey(ctx context.Context, a auth.Attempt) bool {
	d.mu.Lock()
	d.offered = append(d.offered, a.Key)
	d.mu.Unlock()
	return d.Manager.OffersKey(ctx, a)
}

func (d *door) Login(ctx context.Context, a auth.Attempt) (*session.Session, error) {
	d.mu.Lock()
	d.tried = append(d.tried, a)
	d.mu.Unlock()
	if d.login != nil {
		return d.login(ctx, a)
	}
	return d.Manager.Login(ctx, a)
}

// behind serves the account alice with d before the manager.
func behind(t *testing.T, d *door) *world {
	w := newWorld(t)
	w.add("alice")
	d.Manager = w.Sessions
	w.config.Manager = d
	w.serve()
	return w
}

// try logs in and returns what the client was told in a banner.
func (w *world) try(config *ssh.ClientConfig) (banner string, err error) {
	config.BannerCallback = func(text string) error { banner += text; return nil }
	c, err := ssh.Dial("tcp", w.address, config)
	if err == nil {
		c.Close()
	}
	return banner, err
}

// Whatever the reason, the client hears one text with a reference, and the
// event behind the reference has the rule.
func TestRefusalHasOneTextAndAReference(t *testing.T) {
	w := serving(t)
	w.add("gone", func(a *accounts.Account) { a.Status.Disabled = true })
	form := regexp.MustCompile(`^login refused \(reference ([^)]+)\)\n$`)
	for user, secret := range map[string]string{"alice": "wrong", "nobody": password, "gone": password} {
		banner, err := w.try(w.client(user, ssh.Password(secret)))
		if err == nil {
			t.Fatalf("%s was let in", user)
		}
		m := form.FindStringSubmatch(banner)
		if m == nil {
			t.Errorf("%s heard %q", user, banner)
			continue
		}
		found, _, err := w.Events.List(t.Context(), events.Query{Reference: m[1]})
		if err != nil || len(found) != 1 || found[0].Rule == "" {
			t.Errorf("reference %s leads to %v, %v", m[1], found, err)
		}
	}
}

// What the door tells the session layer of an attempt.
func TestAttempt(t *testing.T) {
	d := &door{}
	w := behind(t, d)
	w.dial("alice")
	a := d.tried[0]
	if a.Account != "alice" || a.Door != "sftp" || a.Transport != "ssh" || a.Address.String() != "127.0.0.1" ||
		!strings.HasPrefix(a.Client, "SSH-2.0-") || a.Password != password || a.Key != nil {
		t.Errorf("the attempt is %#v", a)
	}
}

// Clients ask with keys that they may not have. Only one whose signature was
// verified is a login, and there is one login however many keys are asked for.
func TestKeysAreIdentityOnlyWhenProved(t *testing.T) {
	d := &door{}
	w := behind(t, d)
	known, unknown := protocoltest.NewKey(t), protocoltest.NewKey(t)
	w.authorize("alice", known.PublicKey())
	c, err := ssh.Dial("tcp", w.address, w.client("alice", ssh.PublicKeys(unknown, protocoltest.NewKey(t), known)))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(d.offered) != 3 || len(d.tried) != 1 {
		t.Fatalf("%d keys were asked for, %d logins tried; want 3 and 1", len(d.offered), len(d.tried))
	}
	if got := d.tried[0]; string(got.Key.Marshal()) != string(known.PublicKey().Marshal()) || got.Password != "" {
		t.Errorf("the login was tried with %v", got)
	}
	if _, err := w.try(w.client("alice", ssh.PublicKeys(unknown))); err == nil || len(d.tried) != 1 {
		t.Errorf("with a foreign key: %v, %d logins", err, len(d.tried))
	}
	if _, err := w.try(w.client("bob", ssh.PublicKeys(known))); err == nil {
		t.Error("alice's key let bob in")
	}
}

// The empty password, which clients try unasked, costs no hash and is no failure.
func TestEmptyPasswordIsNoAttempt(t *testing.T) {
	d := &door{}
	w := behind(t, d)
	if _, err := w.try(w.client("alice", ssh.Password(""))); err == nil || len(d.tried) != 0 {
		t.Errorf("%v, %d logins", err, len(d.tried))
	}
}

// A store that is away is no refusal, and its troubles are not the client's.
func TestLoginWithoutAStore(t *testing.T) {
	d := &door{login: func(context.Context, auth.Attempt) (*session.Session, error) {
		return nil, errors.New("open /srv/gatehouse/state.db: input/output error")
	}}
	w := behind(t, d)
	banner, err := w.try(w.client("alice"))
	if err == nil || banner != "login is not possible at the moment, try again later\n" {
		t.Errorf("the client heard %q, %v", banner, err)
	}
}

// A client that goes away in the moment of its login leaves no session.
func TestVanishingAtLoginLeavesNoSession(t *testing.T) {
	var client net.Conn
	d := &door{}
	d.login = func(ctx context.Context, a auth.Attempt) (*session.Session, error) {
		s, err := d.Manager.Login(ctx, a)
		client.Close()
		return s, err
	}
	w := behind(t, d)
	var err error
	if client, err = net.Dial("tcp", w.address); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := ssh.NewClientConn(client, w.address, w.client("alice")); err == nil {
		t.Fatal("the client logged in")
	}
	waitFor(t, "no session is left", func() bool { return len(w.Sessions.List()) == 0 })
	if len(d.tried) != 1 {
		t.Errorf("%d logins", len(d.tried))
	}
}

// Credentials that one connection may try are counted.
func TestLoginTriesAreBounded(t *testing.T) {
	d := &door{}
	w := newWorld(t)
	w.add("alice")
	d.Manager, w.config.Manager, w.config.Limits.LoginTries = w.Sessions, d, 2
	w.serve()
	tries := 0
	_, err := w.try(w.client("alice", ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		tries++
		return "wrong", nil
	}), 10)))
	if err == nil || len(d.tried) != 2 {
		t.Errorf("%d of %d tries were looked at: %v", len(d.tried), tries, err)
	}
}

// A panic while somebody logs in ends that connection and no other.
func TestPanicIsContained(t *testing.T) {
	d := &door{}
	d.login = func(ctx context.Context, a auth.Attempt) (*session.Session, error) {
		if a.Password == "boom" {
			panic("boom")
		}
		return d.Manager.Login(ctx, a)
	}
	w := behind(t, d)
	c := w.files("alice")
	if _, err := w.try(w.client("alice", ssh.Password("boom"))); err == nil {
		t.Error("the login went well")
	}
	if _, err := c.Getwd(); err != nil {
		t.Errorf("another connection: %v", err)
	}
	w.dial("alice")
}
