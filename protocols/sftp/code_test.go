package sftp_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A person answers questions, and remembers them.
type person struct {
	password string
	codes    []string // one each time
	asked    []string
}

func (p *person) answers() ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(name, instruction string, questions []string, shown []bool) ([]string, error) {
		p.asked = append(p.asked, questions...)
		answers := make([]string, len(questions))
		for i := range questions {
			if !shown[i] {
				answers[i] = p.password
				continue
			}
			if len(p.codes) == 0 {
				return nil, errors.New("no code left")
			}
			answers[i], p.codes = p.codes[0], p.codes[1:]
		}
		return answers, nil
	})
}

// withFactor serves alice with a second factor.
func withFactor(t *testing.T, d *door) (*world, protocoltest.Factor) {
	t.Helper()
	w := behind(t, d)
	return w, w.Enrol("alice")
}

var questions = []string{"Password: ", "One-time code: "}

// Clients that ask questions alone come in the same way with a second factor and
// without; one who does not exist is asked the same, so that nobody learns who does.
func TestQuestions(t *testing.T) {
	d := &door{}
	w := behind(t, d)
	alice := &person{password: password}
	if _, err := w.try(w.client("alice", alice.answers())); err != nil || !slices.Equal(alice.asked, questions[:1]) {
		t.Errorf("without a second factor: %v, asked %q", err, alice.asked)
	}
	for _, name := range []string{"nobody", "alice"} {
		p := &person{password: "wrong"}
		banner, err := w.try(w.client(name, p.answers()))
		if err == nil || !slices.Equal(p.asked, questions[:1]) || !strings.HasPrefix(banner, "login refused (reference ") {
			t.Errorf("%s with a wrong password: %v, asked %q, heard %q", name, err, p.asked, banner)
		}
	}
	f := w.Enrol("alice")
	wrong := &person{password: "wrong"}
	if _, err := w.try(w.client("alice", wrong.answers())); err == nil || !slices.Equal(wrong.asked, questions[:1]) {
		t.Errorf("a wrong password with a second factor: %v, asked %q", err, wrong.asked)
	}
	right := &person{password: password, codes: []string{f.Code()}}
	if _, err := w.try(w.client("alice", right.answers())); err != nil || !slices.Equal(right.asked, questions) {
		t.Errorf("with a second factor: %v, asked %q", err, right.asked)
	}
	if last := d.tried[len(d.tried)-1]; last.Password != "" || last.Proved == nil || last.Code == "" {
		t.Error("the password was hashed once more for the code")
	}
}

// A client that sends its password by itself is told that this was right and that
// it may go on with questions (RFC 4252 5.1): then only the code is asked for.
func TestPasswordThenCode(t *testing.T) {
	w, f := withFactor(t, &door{})
	p := &person{password: password, codes: []string{f.Code()}}
	c, err := ssh.Dial("tcp", w.address, w.client("alice", ssh.Password(password), p.answers()))
	if err != nil || !slices.Equal(p.asked, questions[1:]) {
		t.Fatalf("%v, asked %q", err, p.asked)
	}
	defer c.Close()
	if open := w.Sessions.List(); len(open) != 1 || !strings.HasPrefix(open[0].Credential, "password") {
		t.Errorf("sessions: %+v", open)
	}
	alone := 0
	_, err = w.try(w.client("alice", ssh.PasswordCallback(func() (string, error) { alone++; return password, nil })))
	if err == nil || alone != 1 {
		t.Errorf("the password alone: %v, asked %d times", err, alone)
	}
	if n := len(w.Sessions.List()); n != 1 {
		t.Errorf("%d sessions are open", n)
	}
}

// A code is good once. A wrong one is a refusal with a reference, and may be
// followed by a right one as long as the connection has tries left.
func TestCodes(t *testing.T) {
	d := &door{}
	w, f := withFactor(t, d)
	code := f.Code()
	first := &person{password: password, codes: []string{code}}
	if _, err := w.try(w.client("alice", first.answers())); err != nil {
		t.Fatal(err)
	}
	again := &person{password: password, codes: []string{code, "000000", "", f.Recovery[0]}}
	banner, err := w.try(w.client("alice", ssh.Password(password), ssh.RetryableAuthMethod(again.answers(), 5)))
	if err != nil || len(again.codes) != 0 {
		t.Errorf("after wrong codes: %v, left %q", err, again.codes)
	}
	found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.Refused})
	if err != nil || len(found) != 2 || strings.Count(banner, "reference") != 2 {
		t.Fatalf("%d events (%v), heard %q; want two: the empty answer is no try", len(found), err, banner)
	}
	for _, e := range found {
		if e.Rule != string(policy.RuleSecondFactor) || !strings.Contains(banner, e.Reference) {
			t.Errorf("%+v, heard %q", e, banner)
		}
	}
	guesses := &person{password: password, codes: slices.Repeat([]string{"000000"}, 20)}
	before := len(d.tried)
	if _, err := w.try(w.client("alice", ssh.Password(password), ssh.RetryableAuthMethod(guesses.answers(), 20))); err == nil {
		t.Error("guessing led in")
	}
	if n := len(d.tried) - before; n > 7 {
		t.Errorf("%d tries on one connection", n)
	}
}

// Where the account asks for it a key alone is not enough, nor is a certificate.
func TestKeyThenCode(t *testing.T) {
	w, f := withFactor(t, &door{})
	ca := protocoltest.NewKey(t)
	w.TrustCA(ca.PublicKey())
	key := protocoltest.NewKey(t)
	w.authorize("alice", key.PublicKey())
	if _, err := w.try(w.client("alice", ssh.PublicKeys(key))); err != nil {
		t.Errorf("a key, where none asks for more: %v", err)
	}
	w.Change("alice", func(a *accounts.Account) { a.SecondFactor.WithKey = true })
	codes := []string{f.Code(), f.Recovery[0]}
	for name, key := range map[string]ssh.Signer{"key": key, "certificate": protocoltest.Certify(t, ca, "alice", nil)} {
		if _, err := w.try(w.client("alice", ssh.PublicKeys(key))); err == nil {
			t.Errorf("%s: led in alone", name)
		}
		p := &person{codes: codes[:1]}
		codes = codes[1:]
		if _, err := w.try(w.client("alice", ssh.PublicKeys(key), p.answers())); err != nil || !slices.Equal(p.asked, questions[1:]) {
			t.Errorf("%s: %v, asked %q", name, err, p.asked)
		}
	}
	if open := w.Sessions.List(); len(open) > 0 {
		waitFor(t, "no session is left", func() bool { return len(w.Sessions.List()) == 0 })
	}
}

// The reset of a second factor ends what was proved with it, and no other session.
func TestResetEndsSessions(t *testing.T) {
	w, f := withFactor(t, &door{})
	key := protocoltest.NewKey(t)
	w.authorize("alice", key.PublicKey())
	byKey, err := ssh.Dial("tcp", w.address, w.client("alice", ssh.PublicKeys(key)))
	if err != nil {
		t.Fatal(err)
	}
	defer byKey.Close()
	p := &person{password: password, codes: []string{f.Code()}}
	byCode, err := ssh.Dial("tcp", w.address, w.client("alice", p.answers()))
	if err != nil {
		t.Fatal(err)
	}
	defer byCode.Close()
	if _, err := w.Provision.RemoveTOTP(t.Context(), "alice", 0, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the session by code is gone", func() bool { return len(w.Sessions.List()) == 1 })
	if _, _, err := byKey.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("the session by key: %v", err)
	}
}

// Certificates of the site's authorities are worth what they say, and nothing
// that they say is overlooked.
func TestCertificates(t *testing.T) {
	d := &door{}
	w := behind(t, d)
	w.add("bob")
	ca, other := protocoltest.NewKey(t), protocoltest.NewKey(t)
	w.TrustCA(ca.PublicKey())
	option := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	for name, c := range map[string]struct {
		ca     ssh.Signer
		change func(*ssh.Certificate)
		user   string
		ok     bool
	}{
		"of the site":                 {ca: ca, ok: true},
		"of another authority":        {ca: other},
		"for somebody else":           {ca: ca, user: "bob"},
		"for everybody":               {ca: ca, change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }},
		"a host's":                    {ca: ca, change: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }},
		"not yet valid":               {ca: ca, change: func(c *ssh.Certificate) { c.ValidAfter = c.ValidBefore - 1 }},
		"expired":                     {ca: ca, change: func(c *ssh.Certificate) { c.ValidBefore = c.ValidAfter + 1 }},
		"from here":                   {ca: ca, change: option("source-address", "127.0.0.0/8"), ok: true},
		"from elsewhere":              {ca: ca, change: option("source-address", "192.0.2.0/24")},
		"with a command":              {ca: ca, change: option("force-command", "/bin/true")},
		"with an option nobody knows": {ca: ca, change: option("no-such-option", "")},
	} {
		t.Run(name, func(t *testing.T) {
			user := "alice"
			if c.user != "" {
				user = c.user
			}
			_, err := w.try(w.client(user, ssh.PublicKeys(protocoltest.Certify(t, c.ca, "alice", c.change))))
			if (err == nil) != c.ok {
				t.Errorf("the login ends with %v", err)
			}
		})
	}
	for _, a := range d.tried {
		if a.Certificate == nil || a.Key != nil {
			t.Errorf("a certificate was tried as %+v", a)
		}
	}
}

// A certificate that was offered and not proved is nobody's: the account that
// logs in is the one of the key that signed.
func TestAnOfferedCertificateIsNoIdentity(t *testing.T) {
	d := &door{}
	w := behind(t, d)
	ca := protocoltest.NewKey(t)
	w.TrustCA(ca.PublicKey())
	offered := protocoltest.Certify(t, ca, "alice", nil)
	own := protocoltest.NewKey(t)
	w.authorize("alice", own.PublicKey())
	if _, err := w.try(w.client("alice", ssh.PublicKeys(unsigning{offered}, own))); err == nil {
		t.Fatal("the handshake went on after a signature that is none")
	}
	if len(d.tried) != 0 {
		t.Errorf("%d logins were tried", len(d.tried))
	}
}

// unsigning offers a key and signs with another.
type unsigning struct{ ssh.Signer }

func (u unsigning) Sign(r io.Reader, _ []byte) (*ssh.Signature, error) {
	return u.Signer.Sign(r, []byte("something else"))
}
