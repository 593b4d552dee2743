package webhooks

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/storage/events"
)

// An InvalidError says which setting of a webhook cannot be, and why.
type InvalidError struct {
	Field, Why string
	Kind       events.Kind // where that is none
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Why }

// Bounds of what an administrator may ask for.
const (
	maxURL  = 2048
	maxText = 500
	// MaxWebhooks is how many there may be.
	MaxWebhooks = 100
)

// Validate reports the first setting that cannot be, as an *InvalidError.
func (w Webhook) Validate() error {
	if why := wrongURL(w.URL); why != "" {
		return &InvalidError{Field: "url", Why: why}
	}
	if len(w.Description) > maxText {
		return &InvalidError{Field: "description", Why: fmt.Sprintf("is longer than %d bytes", maxText)}
	}
	return w.Filter.validate()
}

// wrongURL says what is wrong with an address, "" where nothing is.
func wrongURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Sprintf("is longer than %d bytes", maxURL)
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "is no URL"
	case u.Scheme != "https":
		return "must begin with https://"
	case u.User != nil:
		return "must hold no password: messages are signed"
	case u.Fragment != "":
		return "must have no fragment"
	case !portable(u):
		return "has no port between 1 and 65535"
	}
	return wrongHost(u.Hostname())
}

func portable(u *url.URL) bool {
	port, err := strconv.Atoi(u.Port())
	return u.Port() == "" && !strings.HasSuffix(u.Host, ":") || err == nil && port > 0 && port < 1<<16
}

// wrongHost refuses what resolvers read as an address in other ways than this
// program (127.1, 0x7f000001, 2130706433), and what no name may hold.
func wrongHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return oddHost(ip.Zone())
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.Trim(last, "0123456789") == "" {
		return "must name its host, or have its address in four decimal numbers or in brackets"
	}
	return oddHost(host)
}

func oddHost(host string) string {
	odd := func(r rune) bool {
		return r < 0x80 && r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}
	if strings.ContainsFunc(host, odd) {
		return "has a host that is no name"
	}
	return ""
}
