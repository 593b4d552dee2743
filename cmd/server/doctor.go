package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"gatehouse/admin"
	"gatehouse/configs"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/events"
)

// Levels of findings.
const (
	levelOK      = "ok"
	levelWarning = "warning"
	levelProblem = "problem"
)

// doctor looks for what keeps the running gateway from serving well.
func (g *gateway) doctor(ctx context.Context) []admin.Finding {
	var found []admin.Finding
	for _, look := range []func(context.Context) []admin.Finding{
		g.checkDoors, g.checkSiteURL, g.checkCertificate, g.checkClock, g.checkStore, g.checkRoom, g.checkInstallation, g.checkNodes, g.checkMounts, g.checkTrees, g.checkPassive, g.checkNames,
		g.checkWebhooks,
	} {
		found = append(found, look(ctx)...)
	}
	return found
}

func finding(check, level, detail, remedy string) admin.Finding {
	return admin.Finding{Check: check, Level: level, Detail: detail, Remedy: remedy}
}

// checkDoors connects to each door from this machine.
func (g *gateway) checkDoors(ctx context.Context) []admin.Finding {
	var found []admin.Finding
	for _, d := range g.doors {
		if d.name == socketDoor {
			continue
		}
		address := reachable(d.address)
		dialer := net.Dialer{Timeout: 2 * time.Second}
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			found = append(found, finding("port", levelProblem, d.name+" does not answer at "+address+": "+err.Error(), "look for a firewall on this machine"))
			continue
		}
		_ = c.Close()
		found = append(found, finding("port", levelOK, d.name+" answers at "+address, ""))
	}
	return found
}

// checkSiteURL warns where links that are passed on begin with a guess.
func (g *gateway) checkSiteURL(context.Context) []admin.Finding {
	c := g.options.Config
	switch {
	case c.Listen.HTTPS == "" && c.Listen.HTTP == "":
		return nil
	case c.SiteURL == "":
		return []admin.Finding{finding("site_url", levelWarning, "it is not set: invitations and reset links begin with the address that their maker came by, or localhost",
			"set site_url to the address by which people reach this gateway")}
	}
	return []admin.Finding{finding("site_url", levelOK, c.SiteURL, "")}
}

// reachable turns an address to listen on into one to connect to.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (g *gateway) checkCertificate(ctx context.Context) []admin.Finding {
	s, err := g.certs.Status(ctx)
	switch {
	case err != nil:
		return []admin.Finding{finding("certificate", levelProblem, err.Error(), "check tls.certificate and tls.key")}
	case s.Origin == "self-signed":
		return []admin.Finding{finding("certificate", levelWarning, "it is self-signed: clients will warn; its key is "+g.certs.Pin(), "set tls.certificate and tls.key, or tls.acme.domains")}
	case s.Expires.IsZero():
		return []admin.Finding{finding("certificate", levelWarning, "ACME has not got one yet", "make sure that port 443 of "+strings.Join(s.Names, ", ")+" leads to listen.https")}
	case time.Until(s.Expires) < 0:
		return []admin.Finding{finding("certificate", levelProblem, "it expired on "+s.Expires.Format(time.DateOnly), "renew it and send SIGHUP")}
	case time.Until(s.Expires) < 14*24*time.Hour:
		return []admin.Finding{finding("certificate", levelWarning, "it expires on "+s.Expires.Format(time.DateOnly), "renew it and send SIGHUP")}
	}
	return []admin.Finding{finding("certificate", levelOK, s.Origin+" for "+strings.Join(s.Names, ", ")+", until "+s.Expires.Format(time.DateOnly), "")}
}

// checkClock compares with the newest event: a clock that went back makes
// expiry and second factors wrong.
func (g *gateway) checkClock(ctx context.Context) []admin.Finding {
	now := time.Now()
	newest, err := g.newestEvent(ctx)
	switch {
	case err != nil:
		return []admin.Finding{finding("clock", levelProblem, "the store does not answer: "+err.Error(), g.storeRemedy())}
	case now.Year() < 2025:
		return []admin.Finding{finding("clock", levelProblem, "it says "+now.Format(time.RFC3339), "set the clock; use NTP")}
	case newest.After(now.Add(time.Minute)):
		return []admin.Finding{finding("clock", levelProblem, "it says "+now.Format(time.RFC3339)+", but there are events of "+newest.Format(time.RFC3339), "set the clock; use NTP")}
	}
	return []admin.Finding{finding("clock", levelOK, now.Format(time.RFC3339), "")}
}

func (g *gateway) checkMounts(context.Context) []admin.Finding {
	if err := g.watch.Err(); err != nil { // to look further could make it wait
		return []admin.Finding{finding("mounts", levelProblem, err.Error(), "bring the file system back; where it was mounted anew, start the gateway again")}
	}
	var found []admin.Finding
	for _, m := range g.options.Config.Mounts {
		found = append(found, checkMount(m)...)
	}
	return found
}

func checkMount(m configs.Mount) []admin.Finding {
	name := "mount " + m.Path
	report, err := local.Probe(m.Dir)
	if err != nil {
		return []admin.Finding{finding(name, levelProblem, err.Error(), "check that "+m.Dir+" is there and writable")}
	}
	var found []admin.Finding
	if report.FoldsCase && !m.CaseFolding {
		found = append(found, finding(name, levelProblem, m.Dir+" folds case: two names can be one file", "use another file system, or say case_folding: true"))
	}
	if !report.Properties {
		found = append(found, finding(name, levelWarning, m.Dir+" keeps no extended attributes: WebDAV properties cannot be stored", "use a file system with user xattrs"))
	}
	if report.FreeBytes < 1<<30 {
		found = append(found, finding(name, levelWarning, fmt.Sprintf("%s has %d MiB left", m.Dir, report.FreeBytes>>20), "make room"))
	}
	if len(found) == 0 {
		found = append(found, finding(name, levelOK, m.Dir, ""))
	}
	return found
}

// checkPassive warns where clients from outside would be told an inside address.
func (g *gateway) checkPassive(ctx context.Context) []admin.Finding {
	f := g.options.Config.FTP
	if g.options.Config.Listen.FTP == "" && g.options.Config.Listen.FTPS == "" {
		return nil
	}
	if len(f.PublicAddress) == 0 {
		if c := g.options.Config; c.SiteURL == "" || slices.Contains(c.ProxyProtocol, "ftp") || slices.Contains(c.ProxyProtocol, "ftps") {
			return []admin.Finding{finding("passive FTP", levelOK, "clients are told the address they came to", "behind NAT set ftp.public_address")}
		}
		return []admin.Finding{finding("passive FTP", levelWarning, "site_url is set, ftp.public_address is not", "behind NAT set ftp.public_address to the outside address")}
	}
	for _, rule := range f.PublicAddress {
		if _, err := netip.ParseAddr(rule.Address); err == nil {
			continue
		}
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", rule.Address); err != nil {
			return []admin.Finding{finding("passive FTP", levelProblem, rule.Address+" does not resolve: "+err.Error(), "correct ftp.public_address")}
		}
	}
	return []admin.Finding{finding("passive FTP", levelOK, "ports "+f.PassivePorts+" must be open on the way here", "")}
}

// checkNames reports what on disk no client can reach: special files and the
// like at the top of each mount and one level below.
func (g *gateway) checkNames(ctx context.Context) []admin.Finding {
	if g.watch.Err() != nil {
		return nil
	}
	var odd []string
	for _, m := range g.options.Config.Mounts {
		names, err := local.Unreachable(ctx, m.Dir, 20)
		if err != nil && !os.IsNotExist(err) {
			return []admin.Finding{finding("names on disk", levelProblem, err.Error(), "")}
		}
		odd = append(odd, names...)
	}
	if len(odd) == 0 {
		return []admin.Finding{finding("names on disk", levelOK, "nothing that clients could not reach", "")}
	}
	return []admin.Finding{finding("names on disk", levelWarning,
		fmt.Sprintf("special files that no client sees: %q", odd), "remove them, or leave them out of the mount")}
}

// newestEvent tells when the newest event happened; the zero time where there is none.
func (g *gateway) newestEvent(ctx context.Context) (time.Time, error) {
	found, _, err := g.events.List(ctx, events.Query{Limit: 1})
	if err != nil || len(found) == 0 {
		return time.Time{}, err
	}
	return found[0].Time, nil
}
