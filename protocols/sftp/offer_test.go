package sftp_test

import (
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/events"
)

// refusals returns the refused logins in the log.
func (w *world) refusals() []events.Event {
	w.t.Helper()
	list, _, err := w.Events.List(w.t.Context(), events.Query{Kind: events.Refused, Oldest: true, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// Somebody comes with keys that are not the account's: SSH never gets to a login,
// and an administrator must find out why all the same. A key that was tried
// before the right one is no refusal.
func TestKeysThatAreNotTakenAreInTheLog(t *testing.T) {
	w := serving(t)
	known := protocoltest.NewKey(t)
	w.authorize("alice", known.PublicKey())
	first, second := protocoltest.NewKey(t), protocoltest.NewKey(t)
	if _, err := w.try(w.client("alice", ssh.PublicKeys(first, known))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.try(w.client("alice", ssh.PublicKeys(first), ssh.Password("wrong"))); err == nil {
		t.Fatal("the wrong password let alice in")
	}
	if list := w.refusals(); len(list) != 1 || list[0].Credential == "key" {
		t.Fatalf("got %+v, want the wrong password alone", list)
	}
	if _, err := w.try(w.client("alice", ssh.PublicKeys(first, second))); err == nil {
		t.Fatal("an unknown key let alice in")
	}
	waitFor(t, "the refusal is in the log", func() bool { return len(w.refusals()) == 2 })
	e := w.refusals()[1]
	if e.Rule != "credential" || e.Account != "alice" || e.Reference == "" || e.Credential != "key" ||
		!strings.Contains(e.Reason, ssh.FingerprintSHA256(first.PublicKey())) {
		t.Errorf("got %+v, want alice's refusal for the key that was offered", e)
	}
}

// Why a certificate is not taken is known, and an administrator must hear it,
// whatever keys were offered before and after it.
func TestCertificatesThatAreNotTakenAreInTheLog(t *testing.T) {
	w := serving(t)
	authority, key := protocoltest.NewKey(t), protocoltest.NewKey(t)
	certificate := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"alice"}, ValidBefore: ssh.CertTimeInfinity,
	}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.try(w.client("alice", ssh.PublicKeys(protocoltest.NewKey(t), signer, key))); err == nil {
		t.Fatal("a certificate of nobody's let alice in")
	}
	waitFor(t, "the refusal is in the log", func() bool { return len(w.refusals()) == 1 })
	if e := w.refusals()[0]; e.Rule != "credential" || e.Credential != "certificate" || !strings.Contains(e.Reason, "no authority of the site") {
		t.Errorf("got %+v, want why the certificate is not taken", e)
	}
}

// unsigned is a key of which somebody has the public half alone.
type unsigned struct{ ssh.Signer }

func (unsigned) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	return nil, errors.New("the private key is another's")
}

// Whoever asks whether a key is somebody's, and hears that it is, must not thereby
// keep out of the log.
func TestAProbeWithSomebodysKeyIsInTheLog(t *testing.T) {
	w := serving(t)
	known := protocoltest.NewKey(t)
	w.authorize("alice", known.PublicKey())
	for _, keys := range [][]ssh.Signer{{unsigned{known}}, {protocoltest.NewKey(t), unsigned{known}}} {
		if _, err := w.try(w.client("alice", ssh.PublicKeys(keys...))); err == nil {
			t.Fatal("a key without a signature let alice in")
		}
		waitFor(t, "the probe is in the log", func() bool { return len(w.refusals()) > 0 })
	}
	if e := w.refusals()[0]; e.Account != "alice" || e.Rule != "credential" || !strings.Contains(e.Reason, "nobody signed") {
		t.Errorf("got %+v", e)
	}
}
