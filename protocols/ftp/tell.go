package ftp

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/protocols/ftp/listing"
	"gatehouse/protocols/ftp/wire"
)

// doFEAT lists what RFC 2389 calls features.
func (c *conn) doFEAT(string) reply {
	features := []string{
		"UTF8", "EPSV", "PASV", "SIZE", "MDTM", "MFMT", "MFF " + settable, "REST STREAM", "RANG STREAM", "TVFS", "AVBL", "CLNT",
		"HOST", "LANG EN*",
	}
	if c.server.config.Active {
		features = append(features, "EPRT")
	}
	if c.server.config.TLS != nil {
		features = append(features, "AUTH TLS", "PBSZ", "PROT")
	}
	features = append(features, "MLST "+c.facts.Feature(), "HASH "+c.hash.feature())
	features = append(features, "XCRC", "XMD5", "XSHA", "XSHA1", "XSHA256", "XSHA512")
	c.sendText(multiline(211, "Features:", features, "End"))
	return said
}

// doHELP lists the commands, or tells how one is written.
func (c *conn) doHELP(arg string) reply {
	if arg == "" {
		c.sendText(multiline(214, "Commands:", c.commandLines(), "End"))
		return said
	}
	verb, rest := wire.Split(arg)
	if verb == "SITE" && rest != "" {
		return c.doSITE("HELP")
	}
	cmd, known := c.server.commands[verb]
	if !known {
		return reply{501, "There is no such command"}
	}
	return reply{214, strings.TrimSpace("Syntax: " + verb + " " + cmd.args)}
}

// offers reports whether a command is carried out here.
func (c *conn) offers(verb string) bool {
	config := c.server.config
	switch verb {
	case "PORT", "EPRT":
		return config.Active
	case "AUTH":
		return config.TLS != nil
	}
	return !c.server.commands[verb].absent
}

// commandLines is what the server offers, some to a line.
func (c *conn) commandLines() []string {
	const perLine = 10
	var lines []string
	offered := slices.DeleteFunc(slices.Sorted(maps.Keys(c.server.commands)), func(verb string) bool { return !c.offers(verb) })
	for some := range slices.Chunk(offered, perLine) {
		lines = append(lines, strings.Join(some, " "))
	}
	return lines
}

// doCLNT takes the client's name for itself, for those who look at sessions.
func (c *conn) doCLNT(arg string) reply {
	c.client = oneLine(arg[:min(len(arg), 100)])
	return plain(200)
}

// doLANG knows one language (RFC 2640, 4.1).
func (c *conn) doLANG(arg string) reply {
	language, _, _ := strings.Cut(strings.ToLower(arg), "-")
	if language != "" && language != "en" {
		return plain(504)
	}
	return plain(200)
}

func (c *conn) doOPTS(arg string) reply {
	option, value := wire.Split(arg)
	switch {
	case (option == "UTF8" || option == "UTF-8") && !strings.EqualFold(value, "OFF"):
		return reply{200, "Names are bytes, UTF-8 where you send it"}
	case option == "MLST":
		c.facts = listing.FactsOf(value)
		return reply{200, strings.TrimSpace("MLST OPTS " + c.facts.Names())}
	case option == "HASH":
		return c.chooseHash(value)
	}
	return plain(501)
}

// doSTAT tells about the connection, while a transfer runs too, or lists a path
// in its reply (RFC 959, 4.1.3).
func (c *conn) doSTAT(arg string) reply {
	if arg != "" {
		return c.statPath(arg)
	}
	kind, protection := "I", "clear"
	if c.ascii {
		kind = "A"
	}
	if c.protected {
		protection = "protected"
	}
	lines := []string{
		"Logged in as " + c.loggedIn().Account(),
		"Control connection: " + string(c.transport()) + ", data: " + protection,
		"TYPE " + kind + ", MODE S, STRU F",
	}
	if t := c.running(); t != nil {
		lines = append(lines, fmt.Sprintf("%s is running, %d bytes so far", t.verb, t.progress()))
	}
	c.sendText(multiline(211, "Status:", lines, "End"))
	return said
}

// doHOST takes the name by which the client came (RFC 7151): there is one site,
// whatever its name, and names of others are none of it.
func (c *conn) doHOST(arg string) reply {
	if c.loggedIn() != nil {
		return replyTo(errOrder)
	}
	name := strings.TrimSuffix(strings.ToLower(arg), ".")
	if name == "" || strings.ContainsAny(name, " /@") {
		return plain(501)
	}
	c.user = ""
	if !c.isHere(name) {
		return reply{504, "No such host here"}
	}
	return reply{220, c.server.config.Name + " ready"}
}

// isHere reports whether a name is one of the site's, what PASV tells, or the
// address that the client came to.
func (c *conn) isHere(name string) bool {
	hosts := slices.Clone(c.server.config.Hosts)
	if len(hosts) == 0 {
		return true
	}
	for _, p := range c.server.config.Public {
		hosts = append(hosts, p.Address)
	}
	literal := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if a, err := netip.ParseAddr(literal); err == nil {
		return a.Unmap() == c.reached.WithZone("") || slices.Contains(hosts, a.String())
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		if alone, _, err := net.SplitHostPort(host); err == nil {
			host = alone
		}
		return strings.EqualFold(host, name)
	})
}
