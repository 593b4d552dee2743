package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/admin"
	"gatehouse/cmd/server"
	"gatehouse/configs"
)

// configFlags are the flags of the commands that read the configuration.
type configFlags struct {
	file string
	set  []string
}

func (c *configFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.file, "config", "", "configuration `FILE` in YAML (or GATEHOUSE_CONFIG)")
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "`KEY=VALUE` of the configuration, such as listen.sftp=:22")
}

func (a *app) load(c configFlags) (*configs.Loaded, error) {
	from := configs.Sources{File: c.file, Environ: a.Environ, Flags: map[string]string{}, Also: server.Check}
	if from.File == "" {
		from.File = a.Getenv("GATEHOUSE_CONFIG")
	}
	if a.data != "" {
		from.Flags["data"] = a.data
	}
	for _, pair := range c.set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usagef("--set takes KEY=VALUE, not %q", pair)
		}
		from.Flags[key] = value
	}
	return configs.Load(from)
}

func (a *app) serveCommand() *cobra.Command {
	var c configFlags
	cmd := &cobra.Command{Use: "serve", Short: "Run the gateway in the foreground", Args: exactly(0)}
	c.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, err := a.load(c)
		if err != nil {
			return err
		}
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		defer signal.Stop(reload)
		return server.Run(cmd.Context(), server.Options{
			Config: conf, Version: a.version, Out: a.Out, Err: a.Err, Getenv: a.Getenv, Reload: reload,
			Load: func() (*configs.Loaded, error) { return a.load(c) },
		})
	}
	return cmd
}

func (a *app) configCommand() *cobra.Command {
	var c configFlags
	cmd := &cobra.Command{Use: "config", Short: "Print the configuration that serve would use, and where each value came from", Args: exactly(0)}
	c.flags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		conf, err := a.load(c)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, v := range conf.Values() {
			rows = append(rows, []string{v.Key, v.Text(), v.Origin})
		}
		return a.list(conf.Values(), []string{"KEY", "VALUE", "FROM"}, rows)
	}
	return cmd
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: exactly(0), RunE: func(*cobra.Command, []string) error {
		return a.done(map[string]string{"version": a.version}, "gatehouse %s", a.version)
	}}
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Look for what keeps the gateway from serving well", Args: exactly(0), RunE: func(cmd *cobra.Command, _ []string) error {
		var findings []admin.Finding
		if err := a.call(cmd, http.MethodGet, "/doctor", nil, nil, &findings); err != nil {
			return err
		}
		var rows [][]string
		problems := 0
		for _, f := range findings {
			rows = append(rows, []string{f.Level, f.Check, f.Detail, f.Remedy})
			if f.Level == "problem" {
				problems++
			}
		}
		if err := a.list(findings, []string{"LEVEL", "CHECK", "FOUND", "REMEDY"}, rows); err != nil {
			return err
		}
		if problems == 1 {
			return errors.New("1 problem found")
		}
		if problems > 0 {
			return fmt.Errorf("%d problems found", problems)
		}
		return nil
	}}
}

// passphrase reads the passphrase of a backup.
func (a *app) passphrase(file string) (string, error) {
	if file == "" {
		_, _ = fmt.Fprintln(a.Err, "The backup is encrypted under a passphrase; without it nobody can restore it.")
		pass, err := a.readSecret("passphrase")
		if err == nil && pass == "" {
			err = errors.New("no passphrase was given: type one, or give --passphrase-file")
		}
		return pass, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (a *app) backupCommand() *cobra.Command {
	var passFile string
	cmd := &cobra.Command{Use: "backup FILE", Short: "Write an encrypted hot snapshot: state, events, host keys", Args: exactly(1)}
	cmd.Flags().StringVar(&passFile, "passphrase-file", "", "`FILE` with the passphrase (default: ask)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := absent(args[0], "a backup overwrites nothing"); err != nil {
			return err
		}
		pass, err := a.passphrase(passFile)
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		resp, err := c.send(cmd.Context(), http.MethodPost, "/backup", nil, map[string]string{"passphrase": pass})
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		var n int64
		err = writeWhole(args[0], func(out io.Writer) (err error) {
			n, err = io.Copy(out, resp.Body)
			return err
		})
		if err != nil {
			return fmt.Errorf("write the backup: %w", err)
		}
		return a.done(map[string]any{"file": args[0], "bytes": n}, "%s written, %s", args[0], size(&n))
	}
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	var passFile string
	cmd := &cobra.Command{Use: "restore FILE", Short: "Restore a backup into an empty data folder", Args: exactly(1)}
	cmd.Flags().StringVar(&passFile, "passphrase-file", "", "`FILE` with the passphrase (default: ask)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		pass, err := a.passphrase(passFile)
		if err != nil {
			return err
		}
		if err := server.Restore(cmd.Context(), args[0], a.dataFolder(), pass); err != nil {
			return err
		}
		return a.done(struct{}{}, "restored into %s; the users' files are not part of a backup", a.dataFolder())
	}
	return cmd
}
