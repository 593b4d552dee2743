// Package admintest builds a whole site with its API, for the tests of the packages
// that the API is made of.
package admintest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/admin/rest"
	"gatehouse/admin/webhooks"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/seal"
)

// AKey is the line of a public key.
const AKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl laptop"

// Site is an API over a whole site, asked in process.
type Site struct {
	*protocoltest.World
	t      *testing.T
	Web    http.Handler
	Socket http.Handler
	// Receiver is where webhooks lead.
	Receiver *Receiver
	// Pin is what the TLS key is known by, "" while an authority vouches for it.
	Pin string
	// hooks are the webhooks, which lead to Receiver.
	hooks *webhooks.Service
	// API is what Web and Socket ask.
	API *admin.API
	// Store is where the API keeps logins: the site's state.
	Store  *Store
	sealer *seal.Sealer
}

// New makes a site, whose names are localhost and files.example.org.
func New(t *testing.T) *Site { return over(t, protocoltest.NewWorld(t), "test") }

// Several makes a site of several nodes, which is asked over any of them.
func Several(t *testing.T, n protocoltest.Nodes) []*Site {
	var sites []*Site
	for i, w := range protocoltest.NewNodes(t, n).Nodes() {
		sites = append(sites, over(t, w, fmt.Sprint("test", i+1)))
	}
	return sites
}

func over(t *testing.T, w *protocoltest.World, node string) *Site {
	s := &Site{World: w, t: t, Receiver: &Receiver{}}
	sealer, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s.sealer, s.Store = sealer, &Store{Store: w.State}
	s.hooks = webhooks.New(webhooks.Config{State: s.Store, Sealer: sealer, Events: w.Events, Sender: s.Receiver, Log: w.Log, Node: node})
	t.Cleanup(s.hooks.Close)
	api := admin.New(admin.Config{
		Accounts: w.Accounts, Auth: w.Auth, Sessions: w.Sessions, Tree: w.Tree, Provision: w.Provision,
		SelfService: w.SelfService, Explain: w.Explain, Events: w.Events, Quotas: w.Quotas, Locks: w.Locks, Webhooks: s.hooks, Log: w.Log,
		State: s.Store, Sealer: sealer, Nodes: w.Joined,
		Version: "test", Hosts: []string{"files.example.org"},
		Reach: rest.Reach{
			SiteURL:   "https://files.example.org/",
			Listening: func() map[string]int { return map[string]int{"sftp": 2022, "ftp": 2121, "https": 8443} },
			HostKeys:  func() []string { return []string{"SHA256:test (ssh-ed25519)"} },
			Pin:       func() string { return s.Pin },
		},
		Backup: func(_ context.Context, to io.Writer, pass string) error {
			_, err := io.WriteString(to, "a backup")
			return err
		},
		Doctor: func(context.Context) []admin.Finding { return []admin.Finding{{Check: "test", Level: "ok"}} },
		Connection: func(r *http.Request) (netip.Addr, policy.Transport) {
			if r.TLS != nil {
				return netip.MustParseAddr("192.0.2.1"), policy.TLS
			}
			return netip.MustParseAddr("127.0.0.1"), policy.Clear
		},
	})
	t.Cleanup(api.Close)
	s.API, s.Web, s.Socket = api, api.Handler(), api.Socket()
	return s
}

// Admin adds an administrator and returns a client that is logged in as it.
func (s *Site) Admin(name string) *Client {
	p := s.Add(name, func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	c := &Client{Site: s, TLS: true}
	c.Must(200, http.MethodPost, "/login", `{"username":"`+name+`","password":"`+p.Password+`"}`)
	return c
}

// Root is a client on the local socket.
func (s *Site) Root() *Client { return &Client{Site: s, onSocket: true} }

// Silenced gives the site an API whose log takes no events any more, and returns
// a client on its socket.
func (s *Site) Silenced() *Client {
	s.t.Helper()
	sealer, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := events.New(s.t.Context(), events.Config{State: s.State, Node: "other", Sealer: sealer})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := log.Close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return s.another(log)
}

// Nameless gives the site an API that knows no name by which others reach it, and
// returns a client on its socket.
func (s *Site) Nameless() *Client { return s.another(s.Events) }

func (s *Site) another(log *events.Log) *Client {
	api := admin.New(admin.Config{
		Accounts: s.Accounts, Auth: s.Auth, Sessions: s.Sessions, Tree: s.Tree, Provision: s.Provision,
		SelfService: s.SelfService, Explain: s.Explain, Events: log, Quotas: s.Quotas, Locks: s.Locks, Webhooks: s.hooks, Log: s.Log,
		State: s.Store, Sealer: s.sealer,
		Connection: func(*http.Request) (netip.Addr, policy.Transport) { return netip.Addr{}, policy.Local },
	})
	s.t.Cleanup(api.Close)
	s.Socket = api.Socket()
	return s.Root()
}

// Enrol gives an account a second factor.
func (s *Site) Enrol(name string) {
	s.t.Helper()
	x, err := s.Accounts.Account(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	made, err := s.Auth.NewTOTP(s.t.Context(), x)
	if err != nil {
		s.t.Fatal(err)
	}
	if x, err = s.Accounts.Account(s.t.Context(), name); err != nil {
		s.t.Fatal(err)
	}
	if _, _, err := s.Auth.ConfirmTOTP(s.t.Context(), x, TOTP(s.t, made.Secret, time.Now())); err != nil {
		s.t.Fatal(err)
	}
}

// LoggedIn returns a browser that has logged in.
func (s *Site) LoggedIn(p protocoltest.Person) *Client {
	s.t.Helper()
	c := &Client{Site: s, TLS: true}
	c.Must(200, "POST", "/login", Body("username", p.Name, "password", p.Password))
	return c
}

// Token makes an API token for an account and returns a program that has it.
func (s *Site) Token(name string, change func(*accounts.Credential)) (*Client, accounts.Credential) {
	s.t.Helper()
	c := accounts.Credential{Kind: policy.KindToken, Name: "a token " + rand.Text()}
	if change != nil {
		change(&c)
	}
	made, text, err := s.Accounts.AddCredential(s.t.Context(), name, 0, c, accounts.Forced)
	if err != nil {
		s.t.Fatal(err)
	}
	return &Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + text}}}, made
}

// KeyOf is the id of an account's first key.
func (s *Site) KeyOf(name string) string {
	x, err := s.Accounts.Account(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return x.Keys[0].ID
}
