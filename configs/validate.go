package configs

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/algorithms"
)

// Validate returns every problem that can be told without touching the machine.
func (c *Config) Validate() Problems {
	v := validator{}
	v.notEmpty("data", c.Data)
	v.siteURL(c.SiteURL)
	v.listen(c.Listen)
	v.sftp(c.SFTP)
	v.ftp(c.FTP)
	v.tls(c.TLS)
	v.state(c.State)
	v.node(c.Node)
	v.mounts(c.Mounts)
	v.proxies(c)
	v.prefixes("webhooks.allow", c.Webhooks.Allow)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	if c.ShutdownDelay < 0 {
		v.add("shutdown_delay", "cannot be negative")
	}
	if c.ShutdownGrace < 0 {
		v.add("shutdown_grace", "cannot be negative")
	}
	if c.QuotaCheck < 0 || c.QuotaCheck > 0 && c.QuotaCheck < time.Minute {
		v.add("quota_check", "is 0 for never, or a minute at least")
	}
	return v.problems
}

type validator struct{ problems Problems }

func (v *validator) add(key, format string, args ...any) {
	v.problems = append(v.problems, Problem{key, fmt.Sprintf(format, args...)})
}

func (v *validator) notEmpty(key, value string) {
	if value == "" {
		v.add(key, "cannot be empty")
	}
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.add(key, "is %q; it takes %s", value, strings.Join(allowed, ", "))
	}
}

func (v *validator) prefixes(key string, list []string) {
	for _, p := range list {
		if _, err := policy.ParsePrefix(p); err != nil {
			v.add(key, "%q is no address and no CIDR", p)
		}
	}
}

func (v *validator) siteURL(text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		v.add("site_url", "is %q; it takes an address such as https://files.example.org", text)
	}
}

func (v *validator) listen(l Listen) {
	seen := map[string]string{}
	for _, door := range []struct{ key, address string }{
		{"listen.sftp", l.SFTP}, {"listen.ftp", l.FTP}, {"listen.ftps", l.FTPS},
		{"listen.http", l.HTTP}, {"listen.https", l.HTTPS}, {"listen.metrics", l.Metrics},
	} {
		if door.address == "" {
			continue
		}
		_, port, err := net.SplitHostPort(door.address)
		if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
			v.add(door.key, "is %q; it takes HOST:PORT or :PORT, or nothing to close the door", door.address)
			continue
		}
		if other, twice := seen[door.address]; twice && port != "0" {
			v.add(door.key, "is the address of %s too", other)
		}
		seen[door.address] = door.key
	}
}

// sftp: an old algorithm is there for the network that needs it, and is named.
func (v *validator) sftp(c SFTP) {
	for i, rule := range c.Legacy {
		key := fmt.Sprintf("sftp.legacy[%d]", i)
		if _, err := policy.ParsePrefix(rule.From); err != nil {
			v.add(key+".from", "%q is no address and no CIDR", rule.From)
		}
		if len(rule.Algorithms) == 0 {
			v.add(key+".algorithms", "names none")
		}
		known := algorithms.Legacy().Names()
		for _, name := range rule.Algorithms {
			if !slices.Contains(known, name) {
				v.add(key+".algorithms", "%q is none that there is here: %s", name, strings.Join(known, ", "))
			}
		}
	}
}

func (v *validator) ftp(f FTP) {
	if _, _, err := PortRange(f.PassivePorts); err != nil {
		v.add("ftp.passive_ports", "%v", err)
	}
	v.oneOf("ftp.tls", f.TLS, "off", "optional", "required")
	v.oneOf("ftp.tls_session_reuse", f.SessionReuse, "offered", "required")
	for _, rule := range f.PublicAddress {
		if rule.From != "" {
			if _, err := policy.ParsePrefix(rule.From); err != nil {
				v.add("ftp.public_address", "%q is no address and no CIDR", rule.From)
			}
		}
		if rule.Address == "" || strings.ContainsAny(rule.Address, " /\r\n") {
			v.add("ftp.public_address", "%q is no address and no DNS name", rule.Address)
		}
	}
}

func (v *validator) tls(t TLS) {
	if (t.Certificate == "") != (t.Key == "") {
		v.add("tls.certificate", "certificate and key go together")
	}
	if t.Certificate != "" && len(t.ACME.Domains) > 0 {
		v.add("tls.acme.domains", "either a certificate or ACME, not both")
	}
	if t.ACME.Directory != "" {
		if u, err := url.Parse(t.ACME.Directory); err != nil || u.Scheme != "https" {
			v.add("tls.acme.directory", "takes an https address")
		}
	}
}

// proxies: a listener that speaks the PROXY protocol believes nobody else, so
// that one without trusted proxies would be closed to all.
func (v *validator) proxies(c *Config) {
	v.prefixes("trusted_proxies", c.TrustedProxies)
	for _, door := range c.ProxyProtocol {
		v.oneOf("proxy_protocol", door, "sftp", "ftp", "ftps", "http", "https")
	}
	if len(c.ProxyProtocol) > 0 && len(c.TrustedProxies) == 0 {
		v.add("proxy_protocol", "needs trusted_proxies: nobody else is let in there")
	}
}

func (v *validator) mounts(mounts []Mount) {
	seen := map[path.Path]bool{}
	for i, m := range mounts {
		key := fmt.Sprintf("mounts[%d]", i)
		p, err := path.Parse(m.Path)
		if err != nil || p.String() != m.Path {
			v.add(key+".path", "is %q; it takes a clean path such as / or /projects", m.Path)
		}
		if seen[p] {
			v.add(key+".path", "%s is mounted twice", p)
		}
		seen[p] = true
		v.oneOf(key+".kind", m.Kind, "local")
		v.notEmpty(key+".dir", m.Dir)
		v.oneOf(key+".fsync", m.Fsync, "none", "close", "always")
		for name, text := range map[string]string{"file_mode": m.FileMode, "dir_mode": m.DirMode} {
			if _, err := FileMode(text); err != nil {
				v.add(key+"."+name, "%v", err)
			}
		}
	}
	if !seen[path.Root] {
		v.add("mounts", "none is at /")
	}
}

// FileMode reads permission bits written in octal, such as 0640.
func FileMode(text string) (os.FileMode, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("is %q; it takes permission bits in octal, such as 0640", text)
	}
	return os.FileMode(n), nil
}

// PortRange reads FIRST-LAST.
func PortRange(text string) (first, last int, err error) {
	a, b, _ := strings.Cut(text, "-")
	first, err1 := strconv.Atoi(a)
	last, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || first < 1 || last > 65535 || first > last {
		return 0, 0, fmt.Errorf("is %q; it takes FIRST-LAST, such as 50000-50099", text)
	}
	return first, last, nil
}
