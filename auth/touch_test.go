package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/storage/accounts/credentials"
)

// A security key that nobody touched must prove nothing (PROTOCOL.u2f): malware on
// the machine that it is plugged into could use it at will.
func TestKeysThatNobodyTouchedProveNothing(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const application = "ssh:"
	wire := ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, application})
	offered, err := ssh.ParsePublicKey(wire)
	if err != nil {
		t.Fatal(err)
	}
	k, err := credentials.ParseKey(line(offered))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.Parsed() // as it is compared and verified
	if err != nil || !bytes.Equal(key.Marshal(), wire) {
		t.Fatal("the key does not come back as it was", err)
	}
	data := []byte("what the handshake signs")
	for flags, want := range map[byte]bool{0: false, 1: true, 4: false, 5: true} {
		app, sum := sha256.Sum256([]byte(application)), sha256.Sum256(data)
		blob := append(append(append(app[:], flags), 0, 0, 0, 7), sum[:]...)
		signature := &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(private, blob), Rest: []byte{flags, 0, 0, 0, 7}}
		if got := key.Verify(data, signature) == nil; got != want {
			t.Errorf("flags %d: got %v, want %v", flags, got, want)
		}
	}
}
