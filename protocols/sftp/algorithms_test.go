package sftp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp"
)

// Nothing that relies on SHA-1, CBC or a plain-text MAC is spoken, and what is
// best comes first.
func TestAlgorithms(t *testing.T) {
	w := newWorld(t)
	w.add("alice")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	w.config.HostKeys = append(w.hostKeys, old)
	w.serve()
	insecure := ssh.InsecureAlgorithms()
	for name, set := range map[string]func(*ssh.ClientConfig){
		"key exchange": func(c *ssh.ClientConfig) { c.KeyExchanges = insecure.KeyExchanges },
		"dh":           func(c *ssh.ClientConfig) { c.KeyExchanges = []string{ssh.KeyExchangeDH14SHA256} },
		"cipher":       func(c *ssh.ClientConfig) { c.Ciphers = insecure.Ciphers },
		"mac": func(c *ssh.ClientConfig) {
			c.Ciphers, c.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.HMACSHA1}
		},
		"host key": func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = insecure.HostKeys },
	} {
		config := &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
		set(config)
		_, err := w.try(config)
		var none *ssh.AlgorithmNegotiationError
		if !errors.As(err, &none) {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	// curl with libssh2 before 1.11, and JSch, know no better.
	config.Ciphers, config.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.HMACSHA256}
	plain, err := ssh.Dial("tcp", w.address, config)
	if err != nil {
		t.Fatalf("with a MAC over the plain text: %v", err)
	}
	plain.Close()
	config.Ciphers, config.MACs = nil, nil
	c, err := ssh.Dial("tcp", w.address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.Conn.(ssh.AlgorithmsConnMetadata).Algorithms(); got.KeyExchange != ssh.KeyExchangeMLKEM768X25519 || got.Write.Cipher != ssh.CipherAES128GCM {
		t.Errorf("agreed on %+v", got)
	}
	if got := string(c.ServerVersion()); got != "SSH-2.0-Gatehouse" {
		t.Errorf("the server is %q", got)
	}
}

func TestInsecureAlgorithmsAreNotConfigurable(t *testing.T) {
	w := newWorld(t)
	insecure := ssh.InsecureAlgorithms()
	for _, list := range []*[]string{
		&w.config.Algorithms.KeyExchanges, &w.config.Algorithms.Ciphers, &w.config.Algorithms.MACs, &w.config.Algorithms.PublicKeys,
	} {
		for _, name := range slices.Concat(insecure.KeyExchanges, insecure.Ciphers, insecure.MACs, insecure.PublicKeyAuths, []string{"hmac-sha1", "none"}) {
			*list = []string{name}
			if err := w.start(); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		*list = nil
	}
}

// Old algorithms are offered to the network that they are named for, and to
// nobody else; what is new stays first.
func TestLegacyAlgorithmsAreForTheirNetwork(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]func(*ssh.ClientConfig){
		ssh.InsecureKeyExchangeDH14SHA1: func(c *ssh.ClientConfig) { c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1} },
		ssh.InsecureCipherAES128CBC:     func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.InsecureCipherAES128CBC} },
		ssh.HMACSHA1: func(c *ssh.ClientConfig) {
			c.Ciphers, c.MACs = []string{ssh.CipherAES128CTR}, []string{ssh.HMACSHA1}
		},
		ssh.KeyAlgoRSA: func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{ssh.KeyAlgoRSA} },
	}
	for from, admits := range map[string]bool{"127.0.0.0/8": true, "192.0.2.0/24": false} {
		w := newWorld(t)
		w.add("alice")
		w.config.HostKeys = append(w.hostKeys, key)
		w.config.Legacy = []sftp.Legacy{{From: netip.MustParsePrefix(from), Algorithms: slices.Collect(maps.Keys(old))}}
		w.serve()
		for name, set := range old {
			config := &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
			set(config)
			if _, err := w.try(config); (err == nil) != admits {
				t.Errorf("%s from %s: %v", name, from, err)
			}
		}
		c, err := ssh.Dial("tcp", w.address, &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Conn.(ssh.AlgorithmsConnMetadata).Algorithms(); got.KeyExchange != ssh.KeyExchangeMLKEM768X25519 || got.Write.Cipher != ssh.CipherAES128GCM {
			t.Errorf("from %s one who knows better agreed on %+v", from, got)
		}
		c.Close()
	}
}

func TestLegacyAlgorithmsExist(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"diffie-hellman-group14-sha2", "none", "", "ssh-dss", "ssh-ed25519", ssh.InsecureKeyExchangeDHGEXSHA1} {
		w.config.Legacy = []sftp.Legacy{{From: netip.MustParsePrefix("10.0.0.0/8"), Algorithms: []string{name}}}
		if err := w.start(); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

// Whoever finds no algorithm in common is in the log with what was offered and
// with the setting that admits it, once however often it comes.
func TestAHandshakeThatCannotAgreeIsExplained(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.config.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.serve()
	for range 3 {
		config := w.client("alice")
		config.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDH14SHA1}
		if _, err := w.try(config); err == nil {
			t.Fatal("it was admitted")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	for _, want := range []string{
		`kind="key exchange"`, "diffie-hellman-group14-sha1", "server_offers=mlkem768x25519-sha256",
		`setting="sftp.legacy: [{from: 127.0.0.1, algorithms: [diffie-hellman-group14-sha1]}]"`,
	} {
		if strings.Count(text, want) < 1 {
			t.Errorf("the log does not say %s", want)
		}
	}
	if n := strings.Count(text, "no algorithm in common"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	if t.Failed() {
		t.Log(text)
	}
}
