package sftp

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
)

// A taker takes one account's keys, and notes which offers are refused.
type taker struct {
	Manager
	takes   string
	refused []string
}

func (m *taker) OffersKey(_ context.Context, a auth.Attempt) bool { return a.Account == m.takes }

func (m *taker) RefuseOffer(_ context.Context, a auth.Attempt) error {
	kind := " with a key"
	if a.Certificate != nil {
		kind = " with a certificate"
	}
	m.refused = append(m.refused, a.Account+kind)
	return nil
}

type metadata struct {
	ssh.ConnMetadata
	user string
}

func (m metadata) User() string          { return m.user }
func (m metadata) ClientVersion() []byte { return nil }

// One connection may name another account with every key: each that it has probed
// is in the log, once, but for those that it has tried to log in as.
func TestEachNameThatIsProbedIsNoted(t *testing.T) {
	public, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public())
	if err != nil {
		t.Fatal(err)
	}
	certificate := &ssh.Certificate{Key: public}
	for name, c := range map[string]struct {
		probes []string // "+" offers a certificate
		judged string
		want   []string
	}{
		"of several names each":                    {[]string{"ann", "bob", "ann", "cid"}, "", []string{"ann with a key", "bob with a key", "cid with a key"}},
		"one that would be taken hides no other":   {[]string{"ann", "known", "bob"}, "", []string{"ann with a key", "known with a key", "bob with a key"}},
		"a certificate says more than a key":       {[]string{"ann", "+ann", "ann"}, "", []string{"ann with a certificate"}},
		"what a login tells of is not told twice":  {[]string{"ann", "bob"}, "bob", []string{"ann with a key"}},
		"a key of its own before the login":        {[]string{"known"}, "known", nil},
		"no more of them than a flood may leave":   {[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, "", []string{"a with a key", "b with a key", "c with a key", "d with a key", "e with a key", "f with a key", "g with a key", "h with a key"}},
		"a connection that offers nothing is none": {nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := &taker{takes: "known"}
			server := &Server{config: Config{Manager: m}}
			l := &login{ctx: t.Context(), c: &connection{server: server, address: netip.MustParseAddr("198.51.100.7"), log: slog.New(slog.DiscardHandler)}}
			for _, user := range c.probes {
				key := public
				if user[0] == '+' {
					user, key = user[1:], certificate
				}
				_, err := l.offered(metadata{user: user}, key)
				if (err == nil) != (user == m.takes) {
					t.Errorf("%s: got %v", user, err)
				}
			}
			if c.judged != "" {
				l.offers.judge(c.judged)
			}
			if l.gone(); !slices.Equal(m.refused, c.want) {
				t.Errorf("noted are %v, want %v", m.refused, c.want)
			}
		})
	}
}
