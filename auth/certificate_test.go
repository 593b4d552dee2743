package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

func newSigner(t testing.TB, key crypto.Signer, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ed(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return newSigner(t, key, err)
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

// certify signs a certificate for alice, for an hour from now on.
func certify(t testing.TB, ca ssh.Signer, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	cert := &ssh.Certificate{
		Key: ed(t).PublicKey(), CertType: ssh.UserCert, KeyId: "a test's", ValidPrincipals: []string{"alice"},
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(cert)
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return cert
}

func options(kv ...string) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) {
		c.CriticalOptions = map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			c.CriticalOptions[kv[i]] = kv[i+1]
		}
	}
}

func TestCertificates(t *testing.T) {
	w := newWorld(t, nil)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	ca, stranger, short := ed(t), ed(t), newSigner(t, small, err)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	long := newSigner(t, large, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ec := newSigner(t, curve, err)
	w.site(t, func(s *accounts.Site) {
		s.SSHUserCAs = []string{line(ca.PublicKey()), line(long.PublicKey()), line(ec.PublicKey())}
		s.Ban.Failures = 0
	})
	w.add(t, "Alice", "", nil)
	w.add(t, "bob", "", nil)
	w.add(t, "off", "", func(a *accounts.Account) { a.Status.Disabled = true })
	w.add(t, "new", "correct horse", func(a *accounts.Account) { a.Password.MustChange = true })
	for name, c := range map[string]struct {
		account string
		cert    *ssh.Certificate
		want    policy.Rule
	}{
		"right":                {"alice", certify(t, ca, nil), policy.RuleAdmitted},
		"by an RSA CA":         {"alice", certify(t, long, nil), policy.RuleAdmitted},
		"by an ECDSA CA":       {"alice", certify(t, ec, nil), policy.RuleAdmitted},
		"for ever":             {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 0, ssh.CertTimeInfinity }), policy.RuleAdmitted},
		"canonical name":       {"ALICE", certify(t, ca, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"root", "aLiCe"} }), policy.RuleAdmitted},
		"of another":           {"bob", certify(t, ca, nil), policy.RuleCredential},
		"of nobody":            {"carol", certify(t, ca, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"carol"} }), policy.RuleStatus},
		"of everybody":         {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidPrincipals = nil }), policy.RuleCredential},
		"by a stranger":        {"alice", certify(t, stranger, nil), policy.RuleCredential},
		"by a short RSA CA":    {"alice", certify(t, short, nil), policy.RuleCredential},
		"of a short RSA key":   {"alice", certify(t, ca, func(c *ssh.Certificate) { c.Key = short.PublicKey() }), policy.RuleCredential},
		"of a host":            {"alice", certify(t, ca, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), policy.RuleCredential},
		"expired":              {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) }), policy.RuleCredentialExpiry},
		"not yet":              {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Minute).Unix()) }), policy.RuleCredentialExpiry},
		"never":                {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 2000, 1000 }), policy.RuleCredential},
		"wrapped around":       {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = 1<<63, 1<<63+10 }), policy.RuleCredential},
		"from the last moment": {"alice", certify(t, ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = math.MaxInt64-1, ssh.CertTimeInfinity }), policy.RuleCredential},
		"from here":            {"alice", certify(t, ca, options(sourceAddress, "203.0.113.1,198.51.100.0/24")), policy.RuleAdmitted},
		"from elsewhere":       {"alice", certify(t, ca, options(sourceAddress, "203.0.113.0/24")), policy.RuleCredentialAddress},
		"from nowhere":         {"alice", certify(t, ca, options(sourceAddress, "")), policy.RuleCredential},
		"from nonsense":        {"alice", certify(t, ca, options(sourceAddress, "198.51.100.0/24,x")), policy.RuleCredential},
		"force-command":        {"alice", certify(t, ca, options(forceCommand, "internal-sftp")), policy.RuleCredential},
		"verify-required":      {"alice", certify(t, ca, options("verify-required", "")), policy.RuleCredential},
		"unknown option":       {"alice", certify(t, ca, options("frobnicate@example.org", "")), policy.RuleCredential},
		"unknown extension":    {"alice", certify(t, ca, func(c *ssh.Certificate) { c.Extensions = map[string]string{"permit-pty": ""} }), policy.RuleAdmitted},
		"of a disabled":        {"off", certify(t, ca, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"off"} }), policy.RuleStatus},
		"must change first":    {"new", certify(t, ca, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"new"} }), policy.RuleMustChange},
		"signature of SHA-1":   {"alice", signedWithSHA1(t, long), policy.RuleCredential},
		"changed afterwards":   {"bob", forged(certify(t, ca, nil), func(c *ssh.Certificate) { c.ValidPrincipals = []string{"bob"} }), policy.RuleCredential},
		"authority exchanged":  {"alice", forged(certify(t, stranger, nil), func(c *ssh.Certificate) { c.SignatureKey = ca.PublicKey() }), policy.RuleCredential},
	} {
		t.Run(name, func(t *testing.T) {
			a := attempt(c.account, "")
			a.Key = c.cert // as the handshake has it
			p, err := w.Prove(t.Context(), a, Once)
			if err != nil {
				t.Fatal(err)
			}
			d := p.Effective.Admit(p.Attempt)
			if d.Rule != c.want {
				t.Errorf("got rule %q (%s), want %q", d.Rule, p.Why, c.want)
			}
			if got := p.Attempt.Credential.Kind; got != policy.KindCertificate {
				t.Errorf("got kind %q", got)
			}
			if d.Rule == policy.RuleCredential && p.Why == "" {
				t.Error("an administrator is not told why")
			}
			offers := w.OffersKey(t.Context(), a)
			if want := c.want != policy.RuleCredential && c.account != "carol"; offers != want {
				t.Errorf("an offer is answered with %v, want %v", offers, want)
			}
		})
	}
}

// signedWithSHA1 makes a certificate that its authority has signed with ssh-rsa.
func signedWithSHA1(t testing.TB, ca ssh.Signer) *ssh.Certificate {
	t.Helper()
	cert := certify(t, ca, nil)
	unsigned := *cert
	unsigned.Signature = nil
	body := unsigned.Marshal()
	signature, err := ca.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, body[:len(body)-4], ssh.KeyAlgoRSA)
	if err != nil {
		t.Fatal(err)
	}
	cert.Signature = signature
	return cert
}

// forged changes a certificate that is signed already.
func forged(cert *ssh.Certificate, change func(*ssh.Certificate)) *ssh.Certificate {
	change(cert)
	return cert
}

// A certificate is bound to what it says; the account's keys have no part in it.
func TestCertificateIsNotItsKey(t *testing.T) {
	w := newWorld(t, nil)
	ca := ed(t)
	cert := certify(t, ca, func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Second).Unix()) })
	key, err := credentials.ParseKey(line(cert.Key))
	if err != nil {
		t.Fatal(err)
	}
	w.add(t, "alice", "", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	a := attempt("alice", "")
	a.Key = cert
	if got := w.prove(t, a, Once); got != policy.RuleCredential {
		t.Errorf("a certificate without an authority is taken for its key: rule %q", got)
	}
	a.Key = cert.Key
	if got := w.prove(t, a, Once); got != policy.RuleAdmitted {
		t.Errorf("the key alone: got rule %q", got)
	}
}

// What is proved is judged again as it now is, and no other's is taken for it.
func TestPresent(t *testing.T) {
	w := newWorld(t, nil)
	w.site(t, locking(0))
	ca := ed(t)
	w.site(t, func(s *accounts.Site) { s.SSHUserCAs = []string{line(ca.PublicKey())} })
	alice := w.add(t, "alice", "correct horse", nil)
	bob := w.add(t, "bob", "correct horse", nil)
	withCert := attempt("alice", "")
	withCert.Certificate = certify(t, ca, nil)
	credential, text := w.credential(t, "alice", policy.KindAppPassword, nil)
	proofs := map[string]*Proved{}
	for name, a := range map[string]Attempt{"password": attempt("alice", "correct horse"), "certificate": withCert, "app": attempt("alice", text)} {
		p, err := w.Prove(t.Context(), a, Once)
		if err != nil {
			t.Fatal(err)
		}
		proofs[name] = p.Proved
	}
	present := func(id, proof string) policy.Credential {
		a, e, err := w.accounts.LookByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return w.Present(a, e, proofs[proof])
	}
	for name := range proofs {
		if c := present(alice.ID, name); !c.Proved {
			t.Errorf("%s: not proved", name)
		}
		if c := present(bob.ID, name); c.Proved {
			t.Errorf("%s: proved for another account", name)
		}
	}
	folder := netip.MustParsePrefix("203.0.113.0/24")
	_, err := w.accounts.UpdateCredential(t.Context(), "alice", credential.ID, func(c *accounts.Credential) error {
		c.Scope.ReadOnly, c.AllowedIPs, c.Doors = true, []string{folder.String()}, []policy.Door{policy.FTP}
		return nil
	}, accounts.Guarded)
	if err != nil {
		t.Fatal(err)
	}
	if c := present(alice.ID, "app"); !c.Scope.ReadOnly || len(c.AllowedIPs) != 1 || c.AllowedIPs[0] != folder || len(c.Doors) != 1 {
		t.Errorf("got %+v after the change", c)
	}
	w.enrol(t, alice)
	if c := present(alice.ID, "password"); c.Code != policy.CodeNeeded {
		t.Errorf("a password alone is worth %q once there is a factor", c.Code)
	}
	if c := present(alice.ID, "app"); c.Code != policy.CodeNone {
		t.Errorf("an app password is asked for %q", c.Code)
	}
	w.change(t, "alice", func(a *accounts.Account) { a.SecondFactor.WithKey = true })
	if c := present(alice.ID, "certificate"); c.Code != policy.CodeNeeded {
		t.Errorf("a certificate is worth %q where keys need a code", c.Code)
	}
	w.site(t, func(s *accounts.Site) { s.SSHUserCAs = nil })
	if c := present(alice.ID, "certificate"); c.Proved {
		t.Error("a certificate is good whose authority is gone")
	}
}
