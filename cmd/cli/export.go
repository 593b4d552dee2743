package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"gatehouse/admin/document"
)

// exportFlags are those of export.
type exportFlags struct {
	format, output string
	secrets, force bool
}

func (a *app) exportCommand() *cobra.Command {
	var e exportFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Print accounts, groups and site as a document that apply takes", Args: exactly(0),
		Long: "yaml and json are for apply; csv is the list of accounts for a spreadsheet. With --secrets the document\n" +
			"has password hashes, credentials and sealed second factors: keep it like a password.",
		Example: "  gatehouse export > accounts.yaml\n  gatehouse export --secrets --output all.yaml",
	}
	f := cmd.Flags()
	f.StringVar(&e.format, "format", "yaml", "`FORMAT`: yaml, json or csv")
	f.BoolVar(&e.secrets, "secrets", false, "with hashes and sealed secrets")
	f.StringVar(&e.output, "output", "", "`FILE` to write, whole or not at all, that nobody but you can read (default: standard output)")
	f.BoolVar(&e.force, "force", false, "overwrite the file of --output")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.export(cmd, e) }
	return cmd
}

func (a *app) export(cmd *cobra.Command, e exportFlags) error {
	write, known := map[string]func(io.Writer) error{
		"csv":  func(out io.Writer) error { return a.exportCSV(cmd, out) },
		"json": func(out io.Writer) error { return a.exportPages(cmd, e.secrets, jsonPages(out)) },
		"yaml": func(out io.Writer) error { return a.exportPages(cmd, e.secrets, yamlPages(out)) },
	}[e.format]
	switch {
	case !known:
		return usagef("--format takes yaml, json or csv, not %q", e.format)
	case e.secrets && e.format == "csv":
		return usagef("--secrets is for yaml and json: a spreadsheet has none")
	case e.output != "":
		return a.exportTo(e, write)
	case e.force:
		return usagef("--force is for --output")
	case e.secrets:
		a.warn(exposed(a.Out))
	}
	out := bufio.NewWriter(a.Out)
	if err := write(out); err != nil {
		return err
	}
	return out.Flush()
}

func (a *app) exportTo(e exportFlags, write func(io.Writer) error) error {
	if !e.force {
		if err := absent(e.output, "--force overwrites it"); err != nil {
			return err
		}
	}
	if err := writeWhole(e.output, write); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return a.done(map[string]string{"file": e.output}, "%s written", e.output)
}

func (a *app) exportCSV(cmd *cobra.Command, out io.Writer) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	resp, err := c.send(cmd.Context(), http.MethodGet, "/accounts.csv", nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err = io.Copy(out, resp.Body); err != nil {
		return fmt.Errorf("read the list: %w", err)
	}
	return nil
}

// exportPages asks for page after page; write is given each, and whether it is
// the last one.
func (a *app) exportPages(cmd *cobra.Command, secrets bool, write func(page document.Document, last bool) error) error {
	query := url.Values{"secrets": {fmt.Sprint(secrets)}, "limit": {fmt.Sprint(accountsAtOnce)}}
	for {
		var page document.ExportPage
		if err := a.call(cmd, http.MethodGet, "/export", query, nil, &page); err != nil {
			return err
		}
		if err := write(page.Document, page.Next == ""); err != nil || page.Next == "" {
			return err
		}
		query.Set("cursor", page.Next)
	}
}

// yamlPages writes each page as a document of a YAML stream.
func yamlPages(out io.Writer) func(document.Document, bool) error {
	first := true
	return func(page document.Document, _ bool) error {
		text, err := json.Marshal(page)
		if err != nil {
			return err
		}
		converted, err := yaml.JSONToYAML(text)
		if err != nil {
			return fmt.Errorf("write the document: %w", err)
		}
		if !first {
			_, _ = io.WriteString(out, "---\n")
		}
		first = false
		_, err = out.Write(converted)
		return err
	}
}

// jsonPages writes all pages as one object, an account a line. The first page has
// site and groups, the last one the quotas of folders.
func jsonPages(out io.Writer) func(document.Document, bool) error {
	first, comma := true, ""
	return func(page document.Document, last bool) error {
		if first {
			first = false
			head, err := json.Marshal(document.Document{Version: page.Version, Site: page.Site, Groups: page.Groups})
			if err != nil {
				return err
			}
			_, _ = out.Write(bytes.TrimSuffix(head, []byte("}")))
			_, _ = io.WriteString(out, ",\"accounts\":[")
		}
		for _, x := range page.Accounts {
			text, err := json.Marshal(x)
			if err != nil {
				return err
			}
			_, _ = io.WriteString(out, comma+"\n")
			comma = ","
			if _, err := out.Write(text); err != nil {
				return err
			}
		}
		if !last {
			return nil
		}
		quotas := []byte("[]")
		if page.Quotas != nil {
			var err error
			if quotas, err = json.Marshal(page.Quotas); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(out, "\n],\"quotas\":%s}\n", quotas)
		return err
	}
}
