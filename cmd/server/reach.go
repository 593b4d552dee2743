package server

import (
	"net"
	"strconv"
	"strings"

	"gatehouse/admin/rest"
	"gatehouse/configs"
)

// reach tells the administration how people reach the doors: links and what
// they are told about connecting are made of it.
func (g *gateway) reach(c *configs.Loaded) rest.Reach {
	return rest.Reach{
		SiteURL:   c.SiteURL,
		Listening: func() map[string]int { return listening(g.doors) },
		HostKeys:  func() []string { return g.fingerprints },
		Pin:       g.certs.Pin,
	}
}

// listening returns the ports of doors by their names in the configuration.
func listening(doors []door) map[string]int {
	ports := map[string]int{}
	for _, d := range doors {
		_, text, err := net.SplitHostPort(d.address)
		if err != nil {
			continue // the local socket
		}
		if port, err := strconv.Atoi(text); err == nil {
			ports[strings.ToLower(d.name)] = port
		}
	}
	return ports
}
