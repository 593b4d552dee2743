package server

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// greet prints one block that a person can act on. secret says where the first
// administrator's password is, if one was generated.
func (g *gateway) greet(secret string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "Gatehouse %s is ready.\n", g.options.Version)
	for _, d := range g.doors {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", d.name, d.address)
	}
	for _, f := range g.fingerprints {
		_, _ = fmt.Fprintf(w, "  SSH host key\t%s\n", f)
	}
	if pin := g.certs.Pin(); pin != "" {
		_, _ = fmt.Fprintf(w, "  TLS key\t%s (self-signed: for --pin)\n", pin)
	}
	if secret != "" {
		_, _ = fmt.Fprintf(w, "  administrator\t%s\n", secret)
	}
	_ = w.Flush()
	_, err := fmt.Fprint(g.options.Out, b.String())
	return err
}

// passwordText shows a generated password to a terminal alone; otherwise it is
// kept in a file, and the text says where.
func (g *gateway) passwordText(made string) (string, error) {
	if f, ok := g.options.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return "admin, password " + made + " (must be changed at first login)", nil
	}
	name, err := keepPassword(g.data, made)
	if err != nil {
		return "", err
	}
	return "admin, password in " + name + " (must be changed at first login)", nil
}
