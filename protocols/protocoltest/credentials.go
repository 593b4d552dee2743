package protocoltest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Issue gives an account an app password, token or client, and returns its secret.
func (w *World) Issue(name string, c accounts.Credential) (secret string) {
	w.t.Helper()
	if c.Name == "" {
		c.Name = "of the test " + rand.Text()
	}
	_, secret, err := w.Accounts.AddCredential(w.t.Context(), name, 0, c, accounts.Forced)
	w.must(err)
	w.known()
	return secret
}

// A Factor is an account's second factor, as its owner has it.
type Factor struct {
	Secret []byte
	// Recovery are codes that are good once each.
	Recovery []string
}

// Enrol gives an account a second factor that counts.
func (w *World) Enrol(name string) Factor {
	w.t.Helper()
	ctx := w.t.Context()
	a, err := w.Accounts.Account(ctx, name)
	w.must(err)
	enrolment, err := w.Auth.NewTOTP(ctx, a)
	w.must(err)
	var f Factor
	f.Secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(enrolment.Secret)
	w.must(err)
	a, err = w.Accounts.Account(ctx, name)
	w.must(err)
	f.Recovery, _, err = w.Auth.ConfirmTOTP(ctx, a, f.codeAt(time.Now()))
	w.must(err)
	w.known()
	return f
}

// Code is the one that comes after the code that has confirmed the factor.
func (f Factor) Code() string { return f.codeAt(time.Now().Add(30 * time.Second)) }

// codeAt is RFC 6238 written once more, so that the gateway is not its own judge.
func (f Factor) codeAt(at time.Time) string {
	mac := hmac.New(sha1.New, f.Secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// TrustCA lets an authority certify users of the site.
func (w *World) TrustCA(ca ssh.PublicKey) {
	w.t.Helper()
	w.SetSite(func(s *policy.Site) { s.SSHUserCAs = append(s.SSHUserCAs, KeyLine(ca)) })
}

// KeyLine is a public key as settings have it.
func KeyLine(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// Certify makes a new key with a certificate for a user, good for an hour unless
// changed before it is signed.
func Certify(t testing.TB, ca ssh.Signer, name string, change func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	key := NewKey(t)
	cert := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, KeyId: "of the test", ValidPrincipals: []string{name},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(cert)
	}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
