package credentials

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/storage/accounts/field"
)

func line(t *testing.T, public any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

func newEd25519(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, public)
}

// rsaOf makes a public key of so many bits; nobody has its private part.
func rsaOf(bits int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
}

func TestParseKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := newEd25519(t)
	dsa := "ssh-dss AAAAB3NzaC1kc3MAAAAEAAAAAwAAAAQAAAAFAAAABAAAAAcAAAAEAAAACQ=="
	sk := "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBERERERERERERERERERERERERERERERERERERERERERAAAABHNzaDo="
	for name, c := range map[string]struct {
		line string
		ok   bool
	}{
		"ed25519":        {plain, true},
		"with comment":   {plain + " alice@laptop", true},
		"ecdsa":          {line(t, &ec.PublicKey), true},
		"rsa 2048":       {line(t, rsaOf(2048)), true},
		"security key":   {sk, true},
		"rsa 1024":       {line(t, rsaOf(1024)), false},
		"rsa 2047":       {line(t, rsaOf(2047)), false},
		"dsa":            {dsa, false},
		"options":        {`no-pty,command="x" ` + plain, false},
		"from":           {`from="10.0.0.0/8" ` + plain, false},
		"two":            {plain + "\n" + newEd25519(t), false},
		"empty":          {"", false},
		"a comment":      {"# a comment", false},
		"broken":         {plain[:40], false},
		"private key":    {"-----BEGIN OPENSSH PRIVATE KEY-----", false},
		"forged comment": {plain + " a\x1b[2Jb", false},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := ParseKey(c.line)
			var invalid *field.Error
			if (err == nil) != c.ok || err != nil && (!errors.As(err, &invalid) || invalid.Field != "public_key") {
				t.Fatalf("got %+v %v, want ok %v", k, err, c.ok)
			}
			if err == nil && (!strings.HasPrefix(k.Fingerprint, "SHA256:") || strings.Contains(k.PublicKey, "laptop")) {
				t.Errorf("got %+v", k)
			}
			if name == "with comment" && k.Name != "alice@laptop" {
				t.Errorf("got name %q", k.Name)
			}
		})
	}
}

func TestCertificateIsNoKey(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	c := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := c.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseKey(string(ssh.MarshalAuthorizedKey(c))); err == nil {
		t.Error("a certificate was taken for a key")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERERERER x")
	f.Add(`command="x" ssh-rsa AAAA`)
	f.Fuzz(func(t *testing.T, line string) {
		k, err := ParseKey(line)
		if err != nil {
			return
		}
		again, err := ParseKey(k.PublicKey)
		if err != nil || again.Fingerprint != k.Fingerprint || strings.ContainsAny(k.PublicKey+k.Name, "\n\r\x00") {
			t.Errorf("%q gives %+v, which gives %+v (%v)", line, k, again, err)
		}
	})
}
