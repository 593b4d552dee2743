package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/admin"
	"gatehouse/admin/pages"
	"gatehouse/admin/rest"
	"gatehouse/cmd/proxied"
	"gatehouse/configs"
	"gatehouse/policy"
	"gatehouse/protocols/ftp"
	"gatehouse/protocols/ftp/data"
	"gatehouse/protocols/sftp"
	"gatehouse/protocols/webdav"
	"gatehouse/protocols/webdav/wire"
)

// Names of the doors that outlast the others.
const (
	socketDoor  = "local socket"
	metricsDoor = "metrics"
)

// How many connections each web listener takes, and of one address: browsers and
// sync clients behind one router are many.
const (
	maxWebConnections     = 4096
	maxWebConnectionsEach = 1024
)

// listen opens every address before any of them is served, so that a port that
// is taken stops the start.
func (g *gateway) listen(ctx context.Context) error {
	c := g.options.Config
	for _, open := range []func(context.Context, *configs.Loaded) error{
		g.listenSocket, g.listenMetrics, g.listenSFTP, g.listenFTP, g.listenWeb,
	} {
		if err := open(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) closeListeners() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, d := range g.doors {
		errs = append(errs, ignoreDeadline(d.shutdown(ctx)))
	}
	g.doors, g.fingerprints = nil, nil
	return errors.Join(errs...)
}

// add opens a TCP address and keeps the door that serves it, behind proxies where
// the configuration says so.
func (g *gateway) add(ctx context.Context, name, key, address string, serve func(net.Listener) error, shutdown func(context.Context) error) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cmp.Or(g.again[key], address))
	if err != nil {
		return fmt.Errorf("listen.%s: %w", key, err)
	}
	if _, port, err := net.SplitHostPort(address); err == nil && port == "0" {
		g.again[key] = l.Addr().String()
	}
	if c := g.options.Config; slices.Contains(c.ProxyProtocol, key) {
		l = proxied.New(l, trustedProxies(c).trusts, g.log.With("door", key))
	}
	g.doors = append(g.doors, door{
		name: name, address: l.Addr().String(),
		serve:    func() error { return serve(l) },
		shutdown: thenClose(shutdown, l),
	})
	return nil
}

// thenClose closes the listener after the server that may not have served it.
func thenClose(shutdown func(context.Context) error, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		err := shutdown(ctx)
		if e := l.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			return errors.Join(err, e)
		}
		return err
	}
}

func (g *gateway) listenSFTP(ctx context.Context, c *configs.Loaded) error {
	if c.Listen.SFTP == "" {
		return nil
	}
	keys, err := g.hostKeys(ctx, c)
	if err != nil {
		return err
	}
	legacy, err := legacyAlgorithms(c.SFTP.Legacy)
	if err != nil {
		return err
	}
	s, err := sftp.New(sftp.Config{Manager: g.sessions, HostKeys: keys, Legacy: legacy, Log: g.log})
	if err != nil {
		return err
	}
	g.fingerprints = sftp.Fingerprints(keys)
	return g.add(ctx, "SFTP", "sftp", c.Listen.SFTP, s.Serve, s.Shutdown)
}

// hostKeys are those that the configuration names, else those of all nodes, else
// those of the data folder.
func (g *gateway) hostKeys(ctx context.Context, c *configs.Loaded) ([]ssh.Signer, error) {
	if g.kept == nil || len(c.SFTP.HostKeys) > 0 {
		return sftp.HostKeys(c.Data, c.SFTP.HostKeys)
	}
	return sftp.SharedHostKeys(c.Data, func(name string, fill func() ([]byte, error)) ([]byte, error) {
		return g.kept.Once(ctx, name, fill)
	})
}

func legacyAlgorithms(rules []configs.LegacyAlgorithms) ([]sftp.Legacy, error) {
	var list []sftp.Legacy
	for _, rule := range rules {
		from, err := policy.ParsePrefix(rule.From)
		if err != nil {
			return nil, fmt.Errorf("sftp.legacy: %w", err)
		}
		list = append(list, sftp.Legacy{From: from, Algorithms: rule.Algorithms})
	}
	return list, nil
}

func (g *gateway) listenFTP(ctx context.Context, c *configs.Loaded) error {
	first, last, err := configs.PortRange(c.FTP.PassivePorts)
	if err != nil {
		return fmt.Errorf("ftp.passive_ports: %w", err)
	}
	shared := ftp.Config{
		Manager: g.sessions, Log: g.log, TLS: g.certs.FTPS, Ports: data.NewPorts(first, last),
		Public: publicAddresses(c.FTP.PublicAddress), Active: c.FTP.Active, Hosts: hostsOf(c),
		Resumption: c.FTP.SessionReuse == "required", Hashes: ftp.NewHashes(0),
	}
	for _, l := range []struct {
		name, key, address string
		mode               ftp.Mode
		require            ftp.Requirement
	}{
		{"FTP", "ftp", c.Listen.FTP, ftp.Explicit, ftp.Requirement(c.FTP.TLS)},
		{"FTPS", "ftps", c.Listen.FTPS, ftp.Implicit, ftp.Required},
	} {
		if l.address == "" {
			continue
		}
		one := shared
		one.Mode, one.Require = l.mode, l.require
		if slices.Contains(c.ProxyProtocol, l.key) {
			one.Sender = trustedProxies(c).dataSender
		}
		s, err := ftp.New(one)
		if err != nil {
			return err
		}
		if err := g.add(ctx, l.name, l.key, l.address, s.Serve, s.Shutdown); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) listenWeb(ctx context.Context, c *configs.Loaded) error {
	handler := g.web(c)
	most := bounds{all: maxWebConnections, each: maxWebConnectionsEach, exempt: trustedProxies(c).trusts}
	if c.Listen.HTTPS != "" {
		s := webServer(handler, g.log)
		yielding(s)
		s.TLSConfig = g.certs.HTTPS()
		serve := func(l net.Listener) error { return s.ServeTLS(wire.Listen(bounded(l, most)), "", "") }
		if err := g.add(ctx, "HTTPS", "https", c.Listen.HTTPS, serve, stopWeb(s)); err != nil {
			return err
		}
	}
	if c.Listen.HTTP == "" {
		return nil
	}
	s := webServer(g.certs.Challenge(handler), g.log)
	yielding(s)
	serve := func(l net.Listener) error { return s.Serve(wire.Listen(bounded(l, most))) }
	return g.add(ctx, "HTTP", "http", c.Listen.HTTP, serve, stopWeb(s))
}

// web is the one tree of addresses below both web listeners.
func (g *gateway) web(c *configs.Loaded) http.Handler {
	from := trustedProxies(c)
	g.api = admin.New(admin.Config{
		Accounts: g.accounts, Auth: g.auth, Sessions: g.sessions, Tree: g.tree, Provision: g.provision,
		SelfService: g.selfservice, Explain: g.explain, Events: g.events, Quotas: g.quotas, Locks: g.locks, Webhooks: g.webhooks, Log: g.log,
		State: g.state, Sealer: g.sealer, Nodes: g.nodes,
		Version: g.options.Version, Hosts: hostsOf(c), Backup: g.backup, Doctor: g.doctor, Connection: from.connection,
		Reach: g.reach(c),
	})
	dav := webdav.New(webdav.Config{
		Sessions: g.sessions, Log: g.log, Hosts: hostsOf(c),
		Origin: func(r *http.Request) webdav.Origin {
			a, t := from.connection(r)
			return webdav.Origin{Address: a, Transport: t}
		},
	})
	mux := http.NewServeMux()
	mux.Handle(rest.Prefix+"/", g.api.Handler())
	accountPages := g.api.Pages()
	mux.Handle(pages.Prefix, accountPages)
	mux.Handle(pages.Prefix+"/", accountPages)
	mux.HandleFunc("GET /{$}", welcome)
	return dav.Mount(mux)
}

// welcome is what a person sees who opens the address in a browser.
func welcome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, "This is a Gatehouse gateway. Your account is at "+pages.Prefix+"/, WebDAV at /dav/, the API at "+rest.Prefix+"/openapi.json.")
}

// hostsOf are the outside names of the gateway.
func hostsOf(c *configs.Loaded) []string {
	hosts := slices.Clone(c.Hosts)
	if u, err := url.Parse(c.SiteURL); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname(), u.Host)
	}
	return append(hosts, c.TLS.ACME.Domains...)
}

// outsideName is what people know the installation by: the host of site_url, ""
// where none is set. It stands in their authenticator apps.
func outsideName(c *configs.Loaded) string {
	u, err := url.Parse(c.SiteURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func publicAddresses(rules configs.PublicAddress) []ftp.PublicAddress {
	var list []ftp.PublicAddress
	for _, r := range rules {
		one := ftp.PublicAddress{Address: r.Address}
		if p, err := policy.ParsePrefix(r.From); err == nil {
			one.From = p
		}
		list = append(list, one)
	}
	return list
}

func (g *gateway) listenMetrics(ctx context.Context, c *configs.Loaded) error {
	if c.Listen.Metrics == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", g.metrics.Handler())
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", g.readyz)
	mux.HandleFunc("/readyz/reading", g.readyzReading)
	s := webServer(mux, g.log)
	return g.add(ctx, metricsDoor, "metrics", c.Listen.Metrics, s.Serve, stopWeb(s))
}

// listenSocket opens the local socket. A socket file that nobody answers on is
// what a killed gateway left behind: the store's lock has shown that none runs.
func (g *gateway) listenSocket(ctx context.Context, c *configs.Loaded) error {
	name := Socket(c.Data)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old local socket: %w", err)
	}
	l, err := listenPrivate(ctx, name)
	if err != nil {
		return fmt.Errorf("open the local socket: %w", err)
	}
	api := admin.New(admin.Config{
		Accounts: g.accounts, Auth: g.auth, Sessions: g.sessions, Tree: g.tree, Provision: g.provision,
		SelfService: g.selfservice, Explain: g.explain, Events: g.events, Quotas: g.quotas, Locks: g.locks, Webhooks: g.webhooks, Log: g.log,
		State: g.state, Sealer: g.sealer, Nodes: g.nodes,
		Version: g.options.Version, Backup: g.backup, Doctor: g.doctor, Connection: socketConnection,
		Reach: g.reach(c),
	})
	mux := http.NewServeMux()
	mux.Handle("/", api.Socket())
	profiles(mux)
	s := webServer(mux, g.log)
	s.ConnContext = rest.ConnContext
	g.doors = append(g.doors, door{
		name: socketDoor, address: name,
		serve: func() error { return s.Serve(l) }, shutdown: thenClose(stopWeb(s), l),
	})
	return nil
}

// webServer has the limits that every HTTP listener shares. The time for a body
// is that to begin with: WebDAV and the API move their own deadlines as bytes move.
func webServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           timed(h),
		ReadHeaderTimeout: 15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		WriteTimeout:      time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// stopWeb lets requests end within ctx, then closes what is left.
func stopWeb(s *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		err := s.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return s.Close()
		}
		return err
	}
}

// closed reports an error that only says that the door was closed.
func closed(err error) bool {
	for _, e := range []error{http.ErrServerClosed, sftp.ErrServerClosed, ftp.ErrServerClosed, net.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "use of closed network connection")
}
