package server

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// greet prints one block that a person can act on. made is the password that
// was generated for the first administrator, if one was.
func (g *gateway) greet(made string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "Gatehouse %s is ready.\n", g.options.Version)
	for _, d := range g.doors {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", d.name, d.address)
	}
	for _, f := range g.fingerprints {
		_, _ = fmt.Fprintf(w, "  SSH host key\t%s\n", f)
	}
	text, err := g.passwordText(made)
	if err != nil {
		return err
	}
	if text != "" {
		_, _ = fmt.Fprintf(w, "  administrator\t%s\n", text)
	}
	_ = w.Flush()
	_, err = fmt.Fprint(g.options.Out, b.String())
	return err
}

// passwordText shows a generated password to a terminal alone; otherwise it
// says in which file it is.
func (g *gateway) passwordText(made string) (string, error) {
	if made == "" {
		return "", nil
	}
	if f, ok := g.options.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return "admin, password " + made + " (must be changed at first login)", nil
	}
	name, err := keepPassword(g.data, made)
	if err != nil {
		return "", err
	}
	return "admin, password in " + name + " (must be changed at first login)", nil
}
