package rest

import (
	"cmp"
	"net"
	"net/url"
	"strconv"
	"strings"

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
	// Pin returns what clients are to know the gateway's TLS key by ("sha256:" and
	// base64) while no authority vouches for it, else "".
	Pin func() string
}

// SiteURL is the address that links begin with.
func (a *API) SiteURL(c Caller) *url.URL {
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

// SiteWarnings say why an address that begins with SiteURL may open nowhere but
// here: none where the outside name of the gateway is known.
func (a *API) SiteWarnings(c Caller) []string {
	if u, err := url.Parse(a.Reach.SiteURL); err == nil && u.Host != "" {
		return nil
	}
	return []string{"site_url is not set: the address begins with " + a.SiteURL(c).Host + ", by which others may not reach this gateway"}
}

// HostOnly takes the port off a host, and the brackets off an address.
func HostOnly(hostPort string) string {
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		return h
	}
	return strings.Trim(hostPort, "[]")
}
