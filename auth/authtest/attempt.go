package authtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// Password is that of the accounts that Add makes.
const Password = "correct horse"

// SoonEnough is for what another goroutine does at once, but on a machine that may
// stand still. That it takes less than a second is shown at the doors.
const SoonEnough = 15 * time.Second

// Client is where the attempts come from.
func Client() netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, 7}) }

// SFTP is an attempt with the password of Add.
func SFTP(name string) auth.Attempt {
	return auth.Attempt{
		Account: name, Password: Password, Door: policy.SFTP, Transport: policy.SSH,
		Address: Client(), Client: "SSH-2.0-Test",
	}
}

// WebDAV is a request with the password of Add.
func WebDAV(name string) auth.Attempt {
	return auth.Attempt{Account: name, Password: Password, Door: policy.WebDAV, Transport: policy.TLS, Address: Client()}
}

// API is a person's login to the API with the password of Add.
func API(name string) auth.Attempt {
	a := SFTP(name)
	a.Door, a.Transport = policy.API, policy.TLS
	return a
}

// RefusedBy logs in, and returns the rule that refuses; "" where none does.
func RefusedBy[S interface{ Close() }](t *testing.T, login func(context.Context, auth.Attempt) (S, error), a auth.Attempt) policy.Rule {
	t.Helper()
	s, err := login(t.Context(), a)
	if err == nil {
		s.Close()
		return ""
	}
	refused, ok := errors.AsType[*auth.RefusedError](err)
	if !ok {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refused.Decision.Rule
}

// NewKey returns a key and its line for an account; the same seed is the same key.
func NewKey(t *testing.T, seed byte) (ssh.PublicKey, accounts.Key) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	k, err := credentials.ParseKey(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))))
	if err != nil {
		t.Fatal(err)
	}
	return public, k
}

// CodeOf is what an authenticator app shows, so many steps from now.
func CodeOf(t *testing.T, secret string, steps int64) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30+steps)))
	sum := mac.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

// End waits until live policy ends what has this context, and returns why.
func End(ctx context.Context, t *testing.T) error {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(SoonEnough):
		t.Fatal("it goes on after the change")
	}
	return context.Cause(ctx)
}

// Eventually waits for what other goroutines do at once.
func Eventually(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); {
		if time.Since(began) > SoonEnough {
			t.Fatal(otherwise)
		}
		time.Sleep(time.Millisecond)
	}
}

// After lets time pass in a bubble, until all is still.
func After(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Second is the error of a call.
func Second[T any](_ T, err error) error { return err }
