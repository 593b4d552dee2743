package admin

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
)

// Reach tells how people reach the doors from outside.
type Reach struct {
	// SiteURL is the outside name of the web doors, "" where none is configured.
	SiteURL string
	// Listening returns where the doors listen: ports by the name of the listener
	// (sftp, ftp, ftps, https, http). One that is closed is not in it.
	Listening func() map[string]int
	// HostKeys returns the fingerprints of the SSH host keys, the preferred one first.
	HostKeys func() []string
}

func (a *API) registerConnect(api huma.API) {
	huma.Register(api, operation("own-connect", http.MethodGet, "/me/connect", "How to connect on each of one's doors, ready to paste", rightOwn), a.ownConnect)
}

// ConnectView is how to connect on one door.
type ConnectView struct {
	Door     string        `json:"door"`
	Title    string        `json:"title"`
	Host     string        `json:"host"`
	Port     int           `json:"port"`
	Username string        `json:"username"`
	URL      string        `json:"url"`
	Security string        `json:"security" doc:"what a program's settings call it"`
	HostKeys []string      `json:"host_keys,omitempty" doc:"fingerprints to compare at the first connection"`
	Commands []CommandView `json:"commands"`
	Note     string        `json:"note,omitempty"`
}

// CommandView is a line for a terminal, and what it is for.
type CommandView struct {
	For  string `json:"for"`
	Line string `json:"line"`
}

func (a *API) ownConnect(ctx context.Context, _ *nothing) (*bodyOf[[]ConnectView], error) {
	list, err := a.connections(ctx)
	return &bodyOf[[]ConnectView]{list}, err
}

// connections tells of every door that is open for the caller, here and now.
func (a *API) connections(ctx context.Context) ([]ConnectView, error) {
	c := callerOf(ctx)
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	e, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.problem(err)
	}
	way := a.wayTo(c, x.Name)
	way.code = x.HasCode()
	list := []ConnectView{}
	for _, d := range e.Protocols() {
		if d.Allowed && opensDoor(e.Site(), d.Door) {
			list = append(list, way.to(d.Door, e)...)
		}
	}
	return list, nil
}

func opensDoor(site policy.Site, d policy.Door) bool {
	for _, open := range site.Doors {
		if open == d {
			return true
		}
	}
	return len(site.Doors) == 0
}

// A way is what the doors' addresses are made of.
type way struct {
	user, host string
	site       *url.URL
	ports      map[string]int
	keys       []string
	code       bool // the account has a second factor
}

// wayTo finds the outside name: the configured one, else the one that the caller
// has reached the gateway by.
func (a *API) wayTo(c caller, user string) way {
	w := way{user: user, host: hostOnly(c.Host), ports: map[string]int{}}
	if a.Reach.Listening != nil {
		w.ports = a.Reach.Listening()
	}
	if a.Reach.HostKeys != nil {
		w.keys = a.Reach.HostKeys()
	}
	w.site = a.siteURL(c)
	if a.Reach.SiteURL != "" {
		w.host = cmp.Or(w.site.Hostname(), w.host)
	}
	return w
}

// siteURL is the address that links begin with.
func (a *API) siteURL(c caller) *url.URL {
	if u, err := url.Parse(a.Reach.SiteURL); err == nil && u.Host != "" {
		return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	}
	scheme := "https"
	if c.Transport == policy.Clear {
		scheme = "http"
	}
	if c.Host != "" && !c.Socket() {
		return &url.URL{Scheme: scheme, Host: c.Host}
	}
	port := 8443
	if a.Reach.Listening != nil {
		port = cmp.Or(a.Reach.Listening()["https"], port)
	}
	return &url.URL{Scheme: "https", Host: net.JoinHostPort("localhost", strconv.Itoa(port))}
}

func hostOnly(hostPort string) string {
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		return h
	}
	return strings.Trim(hostPort, "[]")
}

func (w way) to(d policy.Door, e policy.Effective) []ConnectView {
	switch d {
	case policy.SFTP:
		return w.sftp()
	case policy.FTP:
		return append(w.ftp(e), w.ftps()...)
	case policy.WebDAV:
		return w.webdav()
	case policy.API:
		return w.api()
	}
	return nil
}

// view fills in what all doors share; nothing where the door does not listen.
func (w way) view(d policy.Door, listener, scheme, title string) (ConnectView, bool) {
	port, ok := w.ports[listener]
	u := url.URL{Scheme: scheme, User: url.User(w.user), Host: net.JoinHostPort(w.host, strconv.Itoa(port))}
	return ConnectView{
		Door: string(d), Title: title, Host: w.host, Port: port, Username: w.user, URL: u.String(), Commands: []CommandView{},
	}, ok
}

func (w way) sftp() []ConnectView {
	v, ok := w.view(policy.SFTP, "sftp", "sftp", "SFTP")
	if !ok {
		return nil
	}
	v.Security, v.HostKeys = "SSH", w.keys
	target := "-o User=" + shellQuote(w.user) + " " + shellQuote(w.host)
	port := strconv.Itoa(v.Port)
	v.Commands = []CommandView{
		{"A session in a terminal", "sftp -P " + port + " " + target},
		{"Copy a file there", "scp -P " + port + " -o User=" + shellQuote(w.user) + " FILE " + shellQuote(bracketed(w.host)+":")},
		{"Make it a folder of this machine", "sshfs -p " + port + " -o User=" + shellQuote(w.user) + " " + shellQuote(bracketed(w.host)+":/") + " FOLDER"},
	}
	v.Note = "At the first connection compare the fingerprint that your program shows with the one here."
	if w.code {
		v.Note += " After the password it asks for the code of your second factor."
	}
	return []ConnectView{v}
}

func (w way) ftp(e policy.Effective) []ConnectView {
	v, ok := w.view(policy.FTP, "ftp", "ftp", "FTP with TLS")
	if !ok {
		return nil
	}
	v.Security = "explicit TLS (FTPES), passive mode"
	v.Commands = []CommandView{{"A session in a terminal",
		"lftp -u " + shellQuote(w.user) + " -e 'set ftp:ssl-force true; set ftp:ssl-protect-data true' " + shellQuote("ftp://"+net.JoinHostPort(w.host, strconv.Itoa(v.Port)))}}
	if e.PlainFTP().Allowed {
		v.Note = "FTP without TLS is allowed for this account: then anybody on the way reads the password."
	}
	v.Note = w.appPassword(v.Note)
	return []ConnectView{v}
}

func (w way) ftps() []ConnectView {
	v, ok := w.view(policy.FTP, "ftps", "ftps", "FTPS")
	if !ok {
		return nil
	}
	v.Security, v.Note = "implicit TLS, passive mode", w.appPassword("")
	v.Commands = []CommandView{{"A session in a terminal", "lftp -u " + shellQuote(w.user) + " " + shellQuote("ftps://"+net.JoinHostPort(w.host, strconv.Itoa(v.Port)))}}
	return []ConnectView{v}
}

// web is a door below the site's address.
func (w way) web(d policy.Door, title, path string) ConnectView {
	port := 443
	if w.site.Scheme == "http" {
		port = 80
	}
	if p, err := strconv.Atoi(w.site.Port()); err == nil {
		port = p
	}
	security := "HTTPS"
	if w.site.Scheme == "http" {
		security = "none: this machine alone"
	}
	return ConnectView{
		Door: string(d), Title: title, Host: w.site.Hostname(), Port: port, Username: w.user,
		URL: w.site.String() + path, Security: security, Commands: []CommandView{},
	}
}

func (w way) webdav() []ConnectView {
	v := w.web(policy.WebDAV, "WebDAV", "/dav/")
	v.Note = w.appPassword("Put the address into Finder (Connect to Server), Explorer (Map network drive) or your file manager.")
	v.Commands = []CommandView{
		{"Upload a file", "curl -T FILE -u " + shellQuote(w.user) + " " + shellQuote(v.URL)},
		{"With rclone", "rclone lsf --webdav-url " + shellQuote(v.URL) + " --webdav-user " + shellQuote(w.user) + ` --webdav-pass "$(rclone obscure PASSWORD)" :webdav:`},
	}
	return []ConnectView{v}
}

func (w way) api() []ConnectView {
	v := w.web(policy.API, "API", Prefix+"/")
	v.Commands = []CommandView{
		{"With a token", "curl -H 'Authorization: Bearer TOKEN' " + shellQuote(v.URL+"me")},
		{"The command line", "GATEHOUSE_TOKEN=TOKEN gatehouse --server " + shellQuote(w.site.String()) + " account list"},
	}
	return []ConnectView{v}
}

// appPassword adds to a note that the main password alone opens no such door.
func (w way) appPassword(note string) string {
	if !w.code {
		return note
	}
	return strings.TrimSpace(note + " Your second factor is on: use an app password here, not your own.")
}

// bracketed writes an IPv6 address as programs want it before a colon.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// shellQuote writes a word as a shell reads it; a username may hold a quote.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-:/@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
