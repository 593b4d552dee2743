package pages_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
	"gatehouse/storage/seal"
)

// site is a whole site with its account pages, over TLS.
type site struct {
	*protocoltest.World
	t   *testing.T
	api *admin.API
	web *httptest.Server
}

func newSite(t *testing.T) *site {
	t.Helper()
	w := protocoltest.NewWorld(t)
	sealer, err := seal.New(make([]byte, seal.KeySize))
	must(t, err)
	api := admin.New(admin.Config{
		Accounts: w.Accounts, Auth: w.Auth, Sessions: w.Sessions, Tree: w.Tree, Provision: w.Provision,
		SelfService: w.SelfService, Explain: w.Explain, Events: w.Events, Quotas: w.Quotas, Locks: w.Locks, Log: w.Log,
		State: w.State, Sealer: sealer,
		Connection: func(r *http.Request) (netip.Addr, policy.Transport) {
			from := netip.MustParseAddrPort(r.RemoteAddr).Addr()
			if r.TLS != nil {
				return from, policy.TLS
			}
			return from, policy.Clear
		},
		Reach: rest.Reach{
			Listening: func() map[string]int { return map[string]int{"sftp": 2022, "ftp": 2121, "https": 8443} },
			HostKeys: func() []string {
				return []string{"SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDvp2sYVJ2pHyKdOQ4 (ssh-ed25519)"}
			},
		},
	})
	t.Cleanup(api.Close)
	mux := http.NewServeMux()
	mux.Handle("/account", api.Pages())
	mux.Handle("/account/", api.Pages())
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return &site{World: w, t: t, api: api, web: server}
}

// page is the address of a page.
func (s *site) page(name string) string { return s.web.URL + "/account" + name }

// mustChange adds an account whose password was given to it.
func (s *site) mustChange(name string) protocoltest.Person {
	p := s.Add(name)
	s.Change(name, func(a *accounts.Account) { a.Password.MustChange = true })
	return p
}

// link makes a link and returns its secret.
func (s *site) link(l links.Link) string {
	s.t.Helper()
	_, secret, err := s.Accounts.Links().Make(s.t.Context(), l, links.Unbounded)
	must(s.t, err)
	return secret
}

// code is what an authenticator app shows (RFC 6238), for a secret as it is typed.
func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.Join(strings.Fields(secret), ""))
	must(t, err)
	m := hmac.New(sha1.New, key)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix())/30))
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%1_000_000)
}

// ask puts a request to the API, or to the pages, as if it came from 127.0.0.1.
func (s *site) ask(r *http.Request) int {
	s.t.Helper()
	if r.RemoteAddr == "" {
		r.RemoteAddr = "127.0.0.1:1000"
	}
	if r.URL.Scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	w := httptest.NewRecorder()
	handler := s.api.Pages()
	if strings.HasPrefix(r.URL.Path, rest.Prefix) {
		handler = s.api.Handler()
	}
	handler.ServeHTTP(w, r)
	return w.Code
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}
