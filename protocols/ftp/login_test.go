package ftp

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A PASS without USER proves nobody, the empty name among them, and never comes
// before what TLS asks for.
func TestPasswordWithoutName(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	c := s.dial(t)
	c.must(503, "PASS %s", p.Password)
	c.must(501, "USER ")
	c.must(503, "PASS %s", p.Password)
	c.must(530, "PWD")
	c.must(503, "PASS ")
	if open := s.Sessions.List(); len(open) != 0 {
		t.Errorf("sessions are open: %v", open)
	}
	c.login(p)
}

// A second login would replace the first one's files, and leave its session
// behind, uncounted and unwatched.
func TestSecondLogin(t *testing.T) {
	s := newSite(t)
	anna, ben := s.Add("anna"), s.Add("ben")
	s.Write("/home/anna/hers", "a")
	s.Write("/home/ben/his", "b")
	c := s.dial(t).login(anna)
	c.must(530, "USER %s", ben.Name)
	c.must(503, "PASS %s", ben.Password)
	c.must(530, "USER %s", anna.Name)
	c.must(503, "AUTH TLS")
	c.must(213, "SIZE hers")
	c.must(550, "SIZE his")
	if open := s.Sessions.List(); len(open) != 1 || open[0].Account != "anna" {
		t.Errorf("sessions: %v, want anna's alone", open)
	}
	c.must(221, "QUIT")
	c.gone(patience)
	waitFor(t, "the session to end", func() bool { return len(s.Sessions.List()) == 0 })
}

// The name that counts is the one that was proved: not one that came later, nor
// one from before TLS, which somebody on the way may have put in.
func TestNameFromBeforeTLS(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	c := s.dial(t)
	c.must(331, "USER anna")
	c.secure(s.trust())
	c.must(503, "PASS %s", p.Password)
	c.must(331, "USER nobody")
	c.login(p)
	if got := s.Sessions.List(); len(got) != 1 || got[0].Account != "anna" || got[0].Transport != policy.TLS || got[0].Door != policy.FTP {
		t.Errorf("sessions: %+v", got)
	}
}

// Commands sent in clear behind AUTH TLS, by somebody on the way, must not be
// carried out as if they had come through TLS.
func TestCommandsBehindAUTH(t *testing.T) {
	s := newSite(t)
	c := s.dial(t)
	c.send("AUTH TLS\r\nUSER anna\r\nPASS x\r\n")
	c.expect(421)
	c.gone(patience)
}

func TestClearLogins(t *testing.T) {
	allow := func(a *accounts.Account) { a.PlainFTP = policy.Allow }
	deny := func(a *accounts.Account) { a.PlainFTP = policy.Deny }
	for name, c := range map[string]struct {
		site    policy.Choice
		account func(*accounts.Account)
		require Requirement
		want    int
	}{
		"the site denies":                       {policy.Deny, nil, Optional, 530},
		"the site allows":                       {policy.Allow, nil, Optional, 331},
		"the account may all the same":          {policy.Deny, allow, Optional, 331},
		"the account must not":                  {policy.Allow, deny, Optional, 530},
		"the listener requires TLS of everyone": {policy.Allow, allow, Required, 530},
		"the listener has no TLS":               {policy.Allow, nil, Off, 331},
		"nor does the site then allow more":     {policy.Deny, nil, Off, 530},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(config *Config) { config.Require = c.require })
			s.SetSite(func(site *policy.Site) { site.PlainFTP = c.site })
			p := s.Add("anna", func(a *accounts.Account) {
				if c.account != nil {
					c.account(a)
				}
			})
			conn := s.dial(t)
			refusal := conn.must(c.want, "USER anna")
			if c.want == 331 {
				conn.must(230, "PASS %s", p.Password)
				return
			}
			conn.must(503, "PASS %s", p.Password)
			if c.account == nil || c.require == Required {
				if again := conn.must(530, "USER nobody"); unreferred(again) != unreferred(refusal) {
					t.Errorf("an unknown account hears %q, a known one %q", again, refusal)
				}
			}
			if c.require == Off {
				conn.must(502, "AUTH TLS")
				return
			}
			conn.secure(s.trust()).login(p)
		})
	}
}

var reference = regexp.MustCompile(`reference [0-9A-Z-]+`)

func unreferred(text string) string { return reference.ReplaceAllString(text, "reference R") }

// Whoever is refused at USER finds out why by the reference, whatever the rule;
// who goes on asking hears the same one, and fills no log.
func TestRefusalsAtUSERAreRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		require Requirement
		site    policy.Choice
		account func(*accounts.Account)
		rule    policy.Rule
	}{
		"by the site":      {Optional, policy.Deny, func(*accounts.Account) {}, policy.RulePlainFTP},
		"by the account":   {Optional, policy.Allow, func(a *accounts.Account) { a.PlainFTP = policy.Deny }, policy.RulePlainFTP},
		"by the listener":  {Required, policy.Allow, func(*accounts.Account) {}, policy.RulePlainFTP},
		"an earlier rule":  {Optional, policy.Deny, func(a *accounts.Account) { a.Status.Disabled = true }, policy.RuleStatus},
		"the door is shut": {Optional, policy.Deny, func(a *accounts.Account) { a.Protocols = []policy.Door{policy.API} }, policy.RuleDoorAccount},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(config *Config) { config.Require = c.require })
			s.SetSite(func(site *policy.Site) { site.PlainFTP = c.site })
			s.Add("anna", c.account)
			conn := s.dial(t)
			text := conn.must(530, "USER anna")
			found, _, err := s.Events.List(t.Context(), events.Query{Kind: events.Refused})
			if err != nil || len(found) != 1 {
				t.Fatalf("events: %v, %v", found, err)
			}
			e := found[0]
			if e.Account != "anna" || e.Rule != string(c.rule) || e.Door != "ftp" || !strings.Contains(text, e.Reference) {
				t.Errorf("%q, and the event is %+v", text, e)
			}
			if again := conn.must(530, "USER anna"); again != text {
				t.Errorf("then %q, at first %q", again, text)
			}
			if found, _, _ = s.Events.List(t.Context(), events.Query{Kind: events.Refused}); len(found) != 1 {
				t.Errorf("%d events", len(found))
			}
		})
	}
}

// A refusal says the same whoever is refused, but for its reference, which the
// event has too; then the connection is over.
func TestRefusedLogin(t *testing.T) {
	s := newSite(t)
	s.Add("anna")
	texts := make(map[string]bool)
	for _, name := range []string{"anna", "nobody"} {
		c := s.dial(t)
		c.must(331, "USER %s", name)
		text := c.must(530, "PASS wrong")
		c.gone(patience)
		found, _, err := s.Events.List(t.Context(), events.Query{Kind: events.Refused, Limit: 1})
		if err != nil || len(found) != 1 {
			t.Fatalf("events: %v, %v", found, err)
		}
		if e := found[0]; e.Reference == "" || !strings.Contains(text, e.Reference) || e.Door != "ftp" {
			t.Errorf("%q, and the event is %+v", text, e)
		}
		texts[strings.ReplaceAll(text, found[0].Reference, "REFERENCE")] = true
	}
	if len(texts) != 1 {
		t.Errorf("refusals differ: %v", texts)
	}
	if open := s.Sessions.List(); len(open) != 0 {
		t.Errorf("sessions are open: %v", open)
	}
}

// Neither passwords nor names that would forge a line reach the log.
func TestLogHasNoSecrets(t *testing.T) {
	var log safeBuffer
	s := newSite(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	p := s.Add("anna")
	c := s.dial(t)
	c.must(331, "USER anna")
	c.must(530, "PASS a secret that is wrong")
	s.dial(t).login(p).must(221, "QUIT")
	c = s.dial(t)
	c.must(331, "USER \x1b[2J")
	c.must(530, "PASS another secret")
	if got := log.String(); strings.Contains(got, "secret") || strings.Contains(got, p.Password) || strings.Contains(got, "\x1b") {
		t.Errorf("the log has %s", got)
	}
}

// Made-up names without TLS fill the log for nothing: a connection has a few.
func TestAFloodOfNamesWithoutTLSIsCut(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
	c := s.dial(t)
	for i := range mostTurnedAway {
		c.must(530, "USER made%d", i)
	}
	c.expect(421)
}

// The same mistakes, on a listener that speaks TLS from the start.
func TestImplicitTLS(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Mode = Implicit })
	s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
	p := s.Add("anna")
	s.Write("/home/anna/f", "content")
	c := s.dial(t)
	c.must(503, "AUTH TLS")
	c.must(503, "PASS %s", p.Password)
	c.login(p)
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("got %q", got)
	}
	c.must(534, "PROT C")
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("after PROT C: %q", got)
	}
}

// TLS 1.2 is the least, and a browser that was lured to the port, which offers
// HTTP, is refused before it can say anything (ALPACA).
func TestHandshakes(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Mode = Implicit })
	for name, c := range map[string]struct {
		change func(*tls.Config)
		ok     bool
	}{
		"TLS 1.3":      {func(*tls.Config) {}, true},
		"TLS 1.2":      {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		"TLS 1.1":      {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		"FTP by name":  {func(c *tls.Config) { c.NextProtos = []string{"x-other", "ftp"} }, true},
		"HTTP by name": {func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			config := s.trust()
			c.change(config)
			conn, err := tls.Dial("tcp", s.addr, config)
			if err == nil {
				_ = conn.Close()
			}
			if (err == nil) != c.ok {
				t.Errorf("the handshake ends with %v", err)
			}
		})
	}
}

// A certificate that was changed is used for those who come then; who is there
// already goes on, and resumes what it has.
func TestChangedCertificate(t *testing.T) {
	var present atomic.Pointer[tls.Config]
	present.Store(serverTLS())
	s := newSite(t, func(c *Config) { c.TLS = present.Load; c.Resumption = true })
	s.Write("/home/anna/f", "content")
	p := s.Add("anna")
	c := s.dial(t).secure(s.trust()).login(p)
	other := protocoltest.Certificate("other")
	present.Store(&tls.Config{Certificates: []tls.Certificate{other}})
	if got := c.get("RETR f"); got != "content" {
		t.Errorf("on the connection from before: %q", got)
	}
	config := s.trust()
	config.ServerName = "other"
	config.RootCAs.AddCert(other.Leaf)
	late := s.dial(t).secure(config).login(p)
	if got := late.get("RETR f"); got != "content" {
		t.Errorf("with the new certificate: %q", got)
	}
	present.Store(nil)
	none := s.dial(t)
	none.must(431, "AUTH TLS")
}

func TestConfigurations(t *testing.T) {
	w := protocoltest.NewWorld(t)
	certificates := func() *tls.Config { return serverTLS() }
	for name, c := range map[string]struct {
		config Config
		ok     bool
	}{
		"nothing":                     {Config{}, false},
		"no certificate":              {Config{Manager: w.Sessions}, true},
		"TLS required and none":       {Config{Manager: w.Sessions, Require: Required}, false},
		"implicit and none":           {Config{Manager: w.Sessions, Mode: Implicit}, false},
		"an unknown word":             {Config{Manager: w.Sessions, TLS: certificates, Require: "maybe"}, false},
		"implicit, whatever required": {Config{Manager: w.Sessions, TLS: certificates, Mode: Implicit, Require: Off}, true},
	} {
		if _, err := New(c.config); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// waitFor waits for something that comes about elsewhere.
func waitFor(t testing.TB, what string, come func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !come() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
