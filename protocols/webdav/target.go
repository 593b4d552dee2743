package webdav

import (
	"net"
	"net/http"
	"strings"

	"gatehouse/policy/path"
)

// errElsewhere refuses a reference to another server, or outside the prefix.
var errElsewhere = refuse(http.StatusBadGateway, "the destination is not on this server")

// locate turns the path of a URL, as it was sent, into a path of the tree. It
// is decoded once; slash reports that it names a collection.
func (h *Handler) locate(escaped string) (p path.Path, slash bool, err error) {
	decoded, err := unescape(escaped)
	if err != nil {
		return path.Path{}, false, err
	}
	rest, ok := strings.CutPrefix(decoded, h.prefix)
	if !ok {
		if decoded+"/" != h.prefix {
			return path.Path{}, false, refuse(http.StatusNotFound, "nothing is here")
		}
		rest = ""
	}
	p, err = path.ParseStrict(rest)
	return p, rest == "" || strings.HasSuffix(rest, "/"), err
}

// unescape decodes each %XX once. An escaped slash could only be part of a
// name, and no name holds one.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", refuse(http.StatusBadRequest, "the URL ends within an escape")
		}
		high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
		if high < 0 || low < 0 {
			return "", refuse(http.StatusBadRequest, "the URL has a bad escape")
		}
		c := byte(high<<4 | low)
		if c == '/' {
			return "", refuse(http.StatusBadRequest, "a name cannot hold a slash")
		}
		out = append(out, c)
		i += 2
	}
	return string(out), nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// A target is a resource that a header refers to.
type target struct {
	path  path.Path
	slash bool
}

// refer resolves a Simple-ref (RFC 4918 8.3): an absolute URI on this server,
// or an absolute path. errElsewhere where it leads to another.
func (h *Handler) refer(ref string, r *http.Request) (target, error) {
	rest := ref
	if !strings.HasPrefix(ref, "/") {
		scheme, after, ok := strings.Cut(ref, "://")
		if !ok {
			return target{}, refuse(http.StatusBadRequest, "a reference is neither an absolute URI nor an absolute path")
		}
		authority := after
		rest = "/"
		if i := strings.IndexByte(after, '/'); i >= 0 {
			authority, rest = after[:i], after[i:]
		}
		if !isHTTP(scheme) || !h.here(authority, r) {
			return target{}, errElsewhere
		}
	}
	if strings.ContainsAny(rest, "?#") || strings.ContainsFunc(rest, isControl) {
		return target{}, refuse(http.StatusBadRequest, "a reference has a query, a fragment or control characters")
	}
	if !h.covers(rest) {
		return target{}, errElsewhere
	}
	p, slash, err := h.locate(rest)
	return target{p, slash}, err
}

func isHTTP(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// covers reports whether an escaped path stands under the prefix, or cannot
// be decoded, which locate then says.
func (h *Handler) covers(escaped string) bool {
	decoded, err := unescape(escaped)
	return err != nil || strings.HasPrefix(decoded, h.prefix) || decoded+"/" == h.prefix
}

// here reports whether an authority is this server's. The scheme is not
// compared: behind a proxy that ends TLS the client's is another than ours.
func (h *Handler) here(authority string, r *http.Request) bool {
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	name := hostName(authority)
	if name == "" {
		return false
	}
	if name == hostName(r.Host) {
		return true
	}
	for _, known := range h.c.Hosts {
		if name == hostName(known) {
			return true
		}
	}
	return false
}

// hostName is an authority in lower case, without the default ports.
func hostName(authority string) string {
	authority = strings.ToLower(authority)
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		return strings.Trim(authority, "[]")
	}
	if port == "" || port == "80" || port == "443" {
		return host
	}
	return host + " " + port
}

// href is the URL path of p: every byte that is not unreserved (RFC 3986 2.3)
// is escaped, so that any name survives, and no name means anything in XML.
func (h *Handler) href(p path.Path, slash bool) string {
	b := make([]byte, 0, 128)
	b = appendEscaped(b, strings.TrimSuffix(h.prefix, "/"))
	if p.IsRoot() {
		return string(append(b, '/'))
	}
	b = appendEscaped(b, p.String())
	if slash {
		b = append(b, '/')
	}
	return string(b)
}

func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '/' || isUnreserved(c) {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return b
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
