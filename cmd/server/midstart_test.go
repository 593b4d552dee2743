package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"gatehouse/configs"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state/redis/redistest"
)

// A breaker stands before a Redis and goes dark with the n-th thing that is asked:
// that is still done, and its answer lost.
type breaker struct {
	*redistest.Relay

	mu    sync.Mutex // guards what follows
	left  int        // things to be asked until it goes dark
	asked int
	dark  bool
}

func newBreaker(t *testing.T, server *redistest.Server, n int) *breaker {
	t.Helper()
	b := &breaker{left: n}
	light := func() bool { return !b.isDark() }
	b.Relay = redistest.NewRelay(t, server.Addr, redistest.Rules{Enters: light, Asks: b.asks, Answers: light})
	return b
}

func (b *breaker) asks() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.left--; b.left == 0 {
		b.dark = true
	}
	return true
}

func (b *breaker) isDark() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dark
}

// breakAt has it go dark with the n-th thing that is asked from now on.
func (b *breaker) breakAt(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = n
}

func (b *breaker) mend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dark = false
}

// Redis goes away anywhere in the middle of a first start, and what it was asked last
// is done or not. The start waits, and then there is one administrator, whose password
// is told once and opens the account.
func TestRedisGoesAwayInTheMiddleOfAStart(t *testing.T) {
	t.Parallel()
	total := 1
	for n := 0; n < total; n += 13 {
		server := redistest.Start(t)
		b := newBreaker(t, server, n) // the first one never
		g := launch(t, shared(t, server, func(c *configs.Loaded) {
			c.State.URL = "redis://" + b.Addr
			c.Listen.SFTP, c.Listen.HTTPS = "127.0.0.1:0", "127.0.0.1:0"
			c.Node.Lease = 20 * time.Minute // nothing is asked but by the start
		}))
		if n > 0 {
			g.until(t, fmt.Sprintf("it waits or starts, with the break at %d", n), func() bool {
				return b.isDark() && (strings.Contains(g.log.String(), "is waited for") || g.out.of("administrator") != "")
			})
			b.mend()
		}
		g.ready(t)
		wantOneAdministrator(t, g, server, n)
		if n == 0 {
			b.mu.Lock()
			total = b.asked - 2 // of which some come after it is ready
			b.mu.Unlock()
			if total < 20 {
				t.Fatalf("a start asks for %d things", total)
			}
		}
		g.end(t)
		server.Stop(t)
	}
}

// until waits for something that a gateway does.
func (g *gate) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-g.ended:
			t.Fatalf("not until the gateway ended: %s: %v", what, g.err)
		default:
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func wantOneAdministrator(t *testing.T, g *gate, server *redistest.Server, n int) {
	t.Helper()
	if told := strings.Count(g.out.String(), "  administrator"); told != 1 {
		t.Errorf("break at %d: an administrator is told of %d times: %s", n, told, g.out)
	}
	s := storeOf(t, server)
	found := names(t, s, "accounts", record.AccountPrefix)
	if len(found) != 1 {
		t.Fatalf("break at %d: there are the accounts %q", n, found)
	}
	r, err := s.Get(t.Context(), record.Scope, found[0])
	if err != nil {
		t.Fatal(err)
	}
	a, err := record.DecodeAccount(r)
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(filepath.Join(g.data, passwordName))
	if err != nil || !opens(t, a.Password.Hash, bytes.TrimSpace(password)) {
		t.Errorf("break at %d: the password in the file does not open the account: %v", n, err)
	}
}

// opens reports whether a hash is that of a password (RFC 9106 in the PHC form).
func opens(t *testing.T, hash string, password []byte) bool {
	t.Helper()
	parts := strings.Split(hash, "$")
	var memory, times uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &times, &threads); err != nil {
		t.Fatal(hash, err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		t.Fatal(err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(argon2.IDKey(password, salt, times, memory, threads, uint32(len(want))), want)
}

// A start that waits for a Redis which went away in its middle ends at once when it is
// told to.
func TestAStartThatWaitsIsStopped(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newBreaker(t, server, 25)
	g := launch(t, shared(t, server, func(c *configs.Loaded) { c.State.URL = "redis://" + b.Addr }))
	g.says(t, g.log, "is waited for")
	began := time.Now()
	g.end(t)
	if took := time.Since(began); took > closing {
		t.Errorf("the end took %v", took)
	}
}

// A node that begins anew meets a Redis that goes away anywhere in the middle of it.
func TestRedisGoesAwayInTheMiddleOfASecondRound(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newBreaker(t, server, 0)
	g := launch(t, shared(t, server, func(c *configs.Loaded) {
		c.State.URL = "redis://" + b.Addr
		c.Listen.SFTP, c.Listen.HTTPS = "127.0.0.1:0", "127.0.0.1:0"
		c.Node.Lease = 3 * time.Second
	}))
	g.ready(t)
	key := g.hostKey(t)
	s := storeOf(t, server)
	for n := 5; n < 60; n += 17 {
		g.log.when("begins anew: the others", func() { b.breakAt(n) })
		anew := strings.Count(g.log.String(), "begins anew: the others")
		declareDead(t, s)
		g.saysAgain(t, "begins anew: the others", anew+1)
		g.until(t, fmt.Sprintf("it asks for %d things", n), b.isDark) // its beats ask as well
		b.mend()
		g.becomes(t, "/readyz", 200, "ready")
		if now := g.hostKey(t); now != key {
			t.Errorf("break at %d: it serves with %s, was %s", n, now, key)
		}
	}
	g.end(t)
}
