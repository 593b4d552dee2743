package protocoltest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"gatehouse/admin"
	"gatehouse/admin/pages"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/seal"
)

// api is the HTTP API as the gateway serves it.
func (h *house) api(node *protocoltest.World) http.Handler {
	mux := http.NewServeMux()
	sealer, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		h.t.Fatal(err)
	}
	a := admin.New(admin.Config{
		Accounts: node.Accounts, Auth: node.Auth, Sessions: node.Sessions, Tree: node.Tree, Provision: node.Provision,
		SelfService: node.SelfService, Explain: node.Explain, Events: node.Events, Quotas: node.Quotas, Locks: node.Locks, Log: node.Log,
		State: node.State, Sealer: sealer, Nodes: node.Joined,
		Hosts: []string{"localhost"}, Connection: directly,
	})
	h.t.Cleanup(a.Close)
	mux.Handle(rest.Prefix+"/", a.Handler())
	mux.Handle(pages.Prefix+"/", a.Pages())
	return mux
}

func directly(r *http.Request) (netip.Addr, policy.Transport) {
	if r.TLS != nil {
		return hostOf(r.RemoteAddr), policy.TLS
	}
	return hostOf(r.RemoteAddr), policy.Clear
}

// overAPI logs in with a password, and a code where there is one.
func (h *house) overAPI(c caller) (visit, error) {
	body, err := json.Marshal(map[string]string{"username": c.name, "password": c.password, "code": c.code})
	if err != nil {
		return nil, err
	}
	return h.call(c, http.MethodPost, "/login", string(body))
}

// withToken calls the API with a token.
func (h *house) withToken(c caller) (visit, error) { return h.call(c, http.MethodGet, "/me", "") }

func (h *house) call(c caller, method, path, body string) (visit, error) {
	r, err := http.NewRequest(method, "https://localhost"+rest.Prefix+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	status, text, err := answerOf(h.web(onHTTPS, c.from).Do(r))
	switch {
	case err != nil:
		return nil, err
	case status/100 == 2:
		return apiVisit{}, nil
	case strings.Contains(text, "code") && !referred.MatchString(text):
		return nil, errAsked
	}
	return nil, &refusedError{text}
}

func answerOf(r *http.Response, err error) (int, string, error) {
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), errors.Join(err, r.Body.Close())
}

// apiVisit is a login that has no files of its own.
type apiVisit struct{ visit }

func (apiVisit) Close() error { return nil }
