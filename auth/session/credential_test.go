package session

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/events"
)

// token gives an account a credential, and returns what proves it.
func (w *world) token(name string, kind policy.CredentialKind, change func(*accounts.Credential)) string {
	w.t.Helper()
	c := accounts.Credential{Kind: kind, Name: "of a test " + rand.Text()}
	if kind == policy.KindClient {
		c.Device = &accounts.Device{Computer: "laptop"}
	}
	if change != nil {
		change(&c)
	}
	_, text, err := w.Accounts.AddCredential(w.t.Context(), name, 0, c, accounts.Guarded)
	w.Must(err)
	return text
}

func (w *world) changeCredential(name, text string, change func(*accounts.Credential)) {
	w.t.Helper()
	id, _, _ := credentials.ParseSecret(text)
	_, err := w.Accounts.UpdateCredential(w.t.Context(), name, id, func(c *accounts.Credential) error {
		change(c)
		return nil
	}, accounts.Guarded)
	w.Must(err)
}

func bearer(token string) auth.Attempt {
	return auth.Attempt{Token: token, Door: policy.API, Transport: policy.TLS, Address: authtest.Client()}
}

// Whatever is changed of an app password cuts the sessions that it opened, and
// no others of its account.
func TestChangedAppPasswordCutsItsSessions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*accounts.Credential)
		want   policy.Rule
	}{
		"removed":   {nil, policy.RuleCredential},
		"expired":   {func(c *accounts.Credential) { at := time.Now().Add(-time.Second); c.Expires = &at }, policy.RuleCredentialExpiry},
		"addresses": {func(c *accounts.Credential) { c.AllowedIPs = []string{"203.0.113.0/24"} }, policy.RuleCredentialAddress},
		"doors":     {func(c *accounts.Credential) { c.Doors = []policy.Door{policy.FTP} }, policy.RuleDoorCredential},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Add("alice", nil)
			text := w.token("alice", policy.KindAppPassword, nil)
			a, b := authtest.SFTP("alice"), authtest.SFTP("alice")
			a.Password, b.Password = text, w.token("alice", policy.KindAppPassword, nil)
			s, other, main := w.login(a), w.login(b), w.login(authtest.SFTP("alice"))
			if c.change != nil {
				w.changeCredential("alice", text, c.change)
			} else {
				_, err := w.Accounts.RemoveCredential(t.Context(), "alice", 0, s.Credential().ID, accounts.Guarded)
				w.Must(err)
			}
			if got := waitCut(t, s); got != c.want {
				t.Errorf("got rule %q, want %q", got, c.want)
			}
			if other.Context().Err() != nil || main.Context().Err() != nil {
				t.Error("a session of another credential was cut")
			}
		})
	}
}

// A credential that is made read-only, or bound to a folder, cuts the handles
// that it no longer gives; the session and the others go on.
func TestNarrowedScopeCutsHandles(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Write("/home/alice/in/a", "a")
	w.Write("/home/alice/out/b", "b")
	text := w.token("alice", policy.KindAppPassword, nil)
	a := authtest.SFTP("alice")
	a.Password = text
	s := w.login(a)
	open := func(p string, o Open) *File {
		t.Helper()
		f, err := s.FS().Open(t.Context(), path.MustParse(p), o)
		w.Must(err)
		return f
	}
	writing, reading := open("/in/a", Open{Write: true}), open("/out/b", Open{Read: true})
	defer writing.Close()
	defer reading.Close()
	cut := func(f *File) {
		t.Helper()
		select {
		case <-f.Context().Done():
		case <-time.After(authtest.SoonEnough):
			t.Fatal("the handle stays open after the change")
		}
	}
	w.changeCredential("alice", text, func(c *accounts.Credential) { c.Scope.ReadOnly = true })
	cut(writing)
	if reading.Context().Err() != nil || s.Context().Err() != nil {
		t.Error("what is still allowed was cut")
	}
	if err := s.FS().Mkdir(t.Context(), path.MustParse("/new"), 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a read-only credential makes a folder: %v", err)
	}
	in := path.MustParse("/home/alice/in")
	w.changeCredential("alice", text, func(c *accounts.Credential) { c.Scope.Folder = &in })
	cut(reading)
	inside := open("/in/a", Open{Read: true})
	defer inside.Close()
	if !s.Credential().Scope.ReadOnly || s.Credential().Scope.Folder == nil {
		t.Errorf("got scope %+v", s.Credential().Scope)
	}
}

// A token is worth what its account is worth, at every moment.
func TestTokenOfDemotedAccount(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	w.Add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	token := w.token("alice", policy.KindToken, nil)
	s, done, err := w.Request(t.Context(), bearer(token))
	w.Must(err)
	done()
	if s.Role() != policy.RoleAdmin || s.Account() != "alice" {
		t.Errorf("got %q %q", s.Role(), s.Account())
	}
	w.Change("alice", func(a *accounts.Account) { a.Role = policy.RoleUser })
	for deadline := time.Now().Add(authtest.SoonEnough); s.Role() != policy.RoleUser; {
		if time.Now().After(deadline) {
			t.Fatalf("the role stays %q after the change", s.Role())
		}
		time.Sleep(time.Millisecond)
	}
	again, done, err := w.Request(t.Context(), bearer(token))
	w.Must(err)
	defer done()
	if again != s {
		t.Error("the same token from the same address is another session")
	}
	if d := s.Effective().Decide(policy.OpRead, policy.Target{Path: path.MustParse("/etc"), Folder: true}); d.Allowed {
		t.Error("the token still has an administrator's rights")
	}
	_, err = w.Accounts.Disable(t.Context(), "alice", "root", "", accounts.Guarded)
	w.Must(err)
	waitCut(t, s)
	if _, _, err := w.Request(t.Context(), bearer(token)); err == nil {
		t.Error("the token of a disabled account is taken")
	}
}

// One account's secret with another's name is nobody's.
func TestSessionOfAnothersCredential(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Add("bob", nil)
	a := authtest.SFTP("bob")
	a.Password = w.token("alice", policy.KindAppPassword, nil)
	if got := w.refusedBy(a); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
	for range 2 {
		// Remembered for the one, it must not be for the other.
		dav := authtest.WebDAV("alice")
		dav.Password = a.Password
		_, done, err := w.Request(t.Context(), dav)
		w.Must(err)
		done()
		dav.Account = "bob"
		if _, _, err := w.Request(t.Context(), dav); err == nil {
			t.Error("an app password opens another's account")
		}
	}
}

// A client that offers a key without proving it is nobody, and leaves no trace
// of having been in.
func TestOfferedKeyIsNoLogin(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 1)
	a := w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	attempt := authtest.SFTP("alice")
	attempt.Password, attempt.Key = "", public
	if !w.OffersKey(t.Context(), attempt) {
		t.Fatal("the key is not taken")
	}
	used, err := w.Accounts.Activity(t.Context(), a.ID)
	if len(w.List()) != 0 || len(w.EventsOf(events.Login)) != 0 || err != nil || !used.LastLogin.IsZero() {
		t.Errorf("an offer counts as a login: %v %+v %v", w.List(), used, err)
	}
}

// N wrong passwords must not stop a job that comes with a key, an app password or
// a token, unless the site is that strict; what is open goes on.
func TestLockoutScope(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 1)
	alice := w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures, s.Ban.Failures = 1, 0 })
	open := w.login(authtest.SFTP("alice"))
	withKey, app, wrong := authtest.SFTP("alice"), authtest.SFTP("alice"), authtest.SFTP("alice")
	withKey.Key, app.Password, wrong.Password = public, w.token("alice", policy.KindAppPassword, nil), "guess"
	token := bearer(w.token("alice", policy.KindToken, nil))
	w.refusedBy(wrong)
	job := map[string]auth.Attempt{"key": withKey, "app password": app, "token": token}
	for name, a := range job {
		if got := w.refusedBy(a); got != "" {
			t.Errorf("%s: got rule %q", name, got)
		}
	}
	if got := w.refusedBy(authtest.SFTP("alice")); got != policy.RuleLockout {
		t.Errorf("password: got rule %q, want %q", got, policy.RuleLockout)
	}
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Scope = policy.LockoutAll })
	for name, a := range job {
		if got := w.refusedBy(a); got != policy.RuleLockout {
			t.Errorf("%s in scope all: got rule %q, want %q", name, got, policy.RuleLockout)
		}
	}
	if open.Context().Err() != nil {
		t.Error("a lockout cut an open session")
	}
	w.Must(w.Auth.Unlock(t.Context(), alice.ID))
	for name, a := range job {
		if got := w.refusedBy(a); got != "" {
			t.Errorf("%s once unlocked: got rule %q", name, got)
		}
	}
}

// certificate signs one for an account with an authority made from a seed.
func certificate(t *testing.T, name string, until time.Time) (cert *ssh.Certificate, authority string) {
	t.Helper()
	ca, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := authtest.NewKey(t, 9)
	cert = &ssh.Certificate{
		Key: public, CertType: ssh.UserCert, ValidPrincipals: []string{name},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(until.Unix()),
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return cert, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(ca.PublicKey())))
}

func TestCertificateSessions(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	cert, authority := certificate(t, "alice", time.Now().Add(time.Hour))
	a := authtest.SFTP("alice")
	a.Password, a.Certificate = "", cert
	if got := w.refusedBy(a); got != policy.RuleCredential {
		t.Errorf("without an authority: got rule %q, want %q", got, policy.RuleCredential)
	}
	refused := w.EventsOf(events.Refused)
	if len(refused) != 1 || !strings.Contains(refused[0].Reason, "authority") {
		t.Errorf("the event does not say why: %+v", refused)
	}
	w.ChangeSite(func(s *accounts.Site) { s.SSHUserCAs = []string{authority} })
	s := w.login(a)
	if got := s.describe().Credential; got != "certificate:"+ssh.FingerprintSHA256(cert.Key) {
		t.Errorf("got %q", got)
	}
	w.ChangeSite(func(s *accounts.Site) { s.SSHUserCAs = nil })
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
}

func TestCertificateCutsAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		cert, authority := certificate(t, "alice", time.Now().Add(time.Hour))
		w.ChangeSite(func(s *accounts.Site) { s.SSHUserCAs = []string{authority} })
		a := authtest.SFTP("alice")
		a.Password, a.Key = "", cert
		s := w.login(a)
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if s.Context().Err() != nil {
			t.Fatal("the session was cut before its time")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if cut, ok := errors.AsType[*CutError](context.Cause(s.Context())); !ok || cut.Decision.Rule != policy.RuleCredentialExpiry {
			t.Errorf("got %v, want a cut by %q", context.Cause(s.Context()), policy.RuleCredentialExpiry)
		}
	})
}
