package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gatehouse/admin/migrate"
)

func (a *app) importCommand() *cobra.Command {
	var folders []string
	var dry, adopt, replace bool
	cmd := &cobra.Command{
		Use: "import sftpgo|shadow|htpasswd FILE", Short: "Make accounts of what another program keeps", Args: exactly(2),
		Long: "sftpgo takes a dump (dumpdata), shadow a file like /etc/shadow, htpasswd one of Apache. Passwords go on working\n" +
			"where their format is known, and are hashed anew at the next login. What has no counterpart is listed.\n" +
			"Accounts, groups and quotas that are there already are left alone, unless --replace is given; a new account joins a\n" +
			"group that is there only where that gives nothing but what the file says.",
		Example: "  gatehouse import sftpgo dump.json --map /srv/sftpgo/data=/old --adopt-home --dry-run",
	}
	f := cmd.Flags()
	f.StringArrayVar(&folders, "map", nil, "`DISK=TREE`: where a folder of the old server stands in the tree; may be repeated")
	f.BoolVar(&adopt, "adopt-home", false, "take homes that are there already, with what they hold")
	f.BoolVar(&replace, "replace", false, "make accounts, groups and quotas that are there already as the file says, with role, password and credentials")
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
			return usagef("import takes sftpgo, shadow or htpasswd, not %q", args[0])
		}
		return a.importFile(cmd, args[1], func(r io.Reader) (*migrate.Import, error) { return read(r, o) }, applyOptions{dry: dry, existing: existing(replace)})
	}
	return cmd
}

// existing says what becomes of what is there already.
func existing(replace bool) string {
	if replace {
		return "replace"
	}
	return "keep"
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
