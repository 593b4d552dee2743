package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"gatehouse/admin"
	"gatehouse/admin/migrate"
)

func (a *app) exportCommand() *cobra.Command {
	var format string
	var secrets bool
	cmd := &cobra.Command{
		Use: "export", Short: "Print accounts, groups and site as a document that apply takes", Args: exactly(0),
		Long: "yaml and json are for apply; csv is the list of accounts for a spreadsheet. With --secrets the document\n" +
			"has password hashes, credentials and sealed second factors: keep it like a password.",
	}
	cmd.Flags().StringVar(&format, "format", "yaml", "yaml, json or csv")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "with hashes and sealed secrets")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := bufio.NewWriter(a.Out)
		var err error
		switch format {
		case "csv":
			err = a.exportCSV(cmd, out)
		case "json":
			err = a.exportPages(cmd, secrets, jsonPages(out))
		case "yaml":
			err = a.exportPages(cmd, secrets, yamlPages(out))
		default:
			err = usagef("--format takes yaml, json or csv")
		}
		if err != nil {
			return err
		}
		return out.Flush()
	}
	return cmd
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
func (a *app) exportPages(cmd *cobra.Command, secrets bool, write func(page admin.Document, last bool) error) error {
	query := url.Values{"secrets": {fmt.Sprint(secrets)}, "limit": {fmt.Sprint(accountsAtOnce)}}
	for {
		var page admin.ExportPage
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
func yamlPages(out io.Writer) func(admin.Document, bool) error {
	first := true
	return func(page admin.Document, _ bool) error {
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

// jsonPages writes all pages as one object, an account a line.
func jsonPages(out io.Writer) func(admin.Document, bool) error {
	first, comma := true, ""
	return func(page admin.Document, last bool) error {
		if first {
			first = false
			head, err := json.Marshal(admin.Document{Version: page.Version, Site: page.Site, Groups: page.Groups})
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
		_, err := io.WriteString(out, "\n]}\n")
		return err
	}
}

func (a *app) importCommand() *cobra.Command {
	var folders []string
	var dry, adopt bool
	cmd := &cobra.Command{
		Use: "import sftpgo|shadow|htpasswd FILE", Short: "Make accounts of what another program keeps", Args: exactly(2),
		Long: "sftpgo takes a dump (dumpdata), shadow a file like /etc/shadow, htpasswd one of Apache. Passwords go on working\n" +
			"where their format is known, and are hashed anew at the next login. What has no counterpart is listed.",
	}
	f := cmd.Flags()
	f.StringArrayVar(&folders, "map", nil, "DISK=TREE: where a folder of the old server stands in the tree; may be repeated")
	f.BoolVar(&adopt, "adopt-home", false, "take homes that are there already, with what they hold")
	f.BoolVar(&dry, "dry-run", false, "only print what would be made")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o := migrate.Options{AdoptHomes: adopt}
		for _, text := range folders {
			folder, err := migrate.ParseFolder(text)
			if err != nil {
				return usagef("%w", err)
			}
			o.Folders = append(o.Folders, folder)
		}
		read, known := map[string]func(io.Reader, migrate.Options) (*migrate.Import, error){
			"sftpgo": migrate.SFTPGo, "shadow": migrate.Shadow, "htpasswd": migrate.Htpasswd,
		}[args[0]]
		if !known {
			return usagef("import takes sftpgo, shadow or htpasswd")
		}
		return a.importFile(cmd, args[1], func(r io.Reader) (*migrate.Import, error) { return read(r, o) }, applyOptions{dry: dry})
	}
	return cmd
}

func (a *app) importFile(cmd *cobra.Command, name string, read func(io.Reader) (*migrate.Import, error), o applyOptions) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	found, err := read(bufio.NewReader(file))
	if err != nil {
		return err
	}
	for _, r := range found.Remarks {
		_, _ = fmt.Fprintln(a.Err, visible(fmt.Sprintf("%s %s: %s", r.Kind, r.Name, r.What)))
	}
	text, err := json.Marshal(found.Document)
	if err != nil {
		return err
	}
	return a.applyDocument(cmd, bytes.NewReader(text), o)
}
