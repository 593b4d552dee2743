// Package cli is the command line: every command but serve, config, version,
// restore and migrate talks to a running gateway, over its local socket or by
// address.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitRefused = 1 // refused or failed, the reason on standard error
	exitUsage   = 2
)

// Streams are what commands read and write.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Environ  []string
}

// app is what the commands share.
type app struct {
	Streams
	version string

	data      string
	server    string
	tokenFile string
	ca, pin   string
	json      bool

	talking *client // once something was asked
}

// Run carries out a command line and returns the exit status.
func Run(ctx context.Context, version string, args []string, s Streams) int {
	a := &app{Streams: s, version: version}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(s.Err, "gatehouse: "+visibleLines(err.Error()))
	var usage *usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitRefused
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "A file-access gateway: SFTP, FTP and WebDAV over one policy",
		Long: "A file-access gateway: SFTP, FTP and WebDAV over one policy.\n\n" +
			"serve runs it. serve, config, restore, migrate and version work by themselves; every other command talks to a running\n" +
			"gateway: over the socket in its data folder, or with --server from elsewhere.\n\n" +
			"Exit status: 0; 1 refused or failed, the reason on standard error; 2 a command line that cannot be understood.",
		Version:       a.version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "", "data `FOLDER` of the gateway (default: GATEHOUSE_DATA, else ./data)")
	flags.StringVar(&a.server, "server", "", "`URL` of a gateway elsewhere, instead of the local socket; with GATEHOUSE_TOKEN or --token-file")
	flags.StringVar(&a.tokenFile, "token-file", "", "`FILE` with the token for --server")
	flags.StringVar(&a.ca, "ca", "", "`FILE` in PEM with the authority of --server's certificate, or the certificate itself (or GATEHOUSE_CA)")
	flags.StringVar(&a.pin, "pin", "", "`sha256:...` of the key of --server's certificate, as the gateway prints it at its start (or GATEHOUSE_PIN)")
	flags.BoolVar(&a.json, "json", false, "print JSON, for scripts")
	subjects(root, "The gateway", a.serveCommand(), a.configCommand(), a.doctorCommand(), a.backupCommand(), a.restoreCommand(), a.migrateCommand(), a.versionCommand())
	subjects(root, "People", a.accountCommand(), a.groupCommand(), a.guestCommand(), a.invitationCommand())
	subjects(root, "What proves them", a.keyCommand(), a.appPasswordCommand(), a.tokenCommand(), a.clientCommand())
	subjects(root, "What they may do", a.grantCommand(), a.quotaCommand(), a.siteCommand(), a.explainCommand())
	subjects(root, "What goes on", a.eventCommand(), a.sessionCommand(), a.nodeCommand(), a.lockCommand(), a.banCommand(), a.webhookCommand())
	subjects(root, "Accounts as files", a.applyCommand(), a.exportCommand(), a.importCommand())
	return root
}

// subjects adds commands under a heading of the help.
func subjects(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title + ":"})
	for _, cmd := range commands {
		cmd.GroupID = title
	}
	root.AddCommand(commands...)
}

// dataFolder is --data, GATEHOUSE_DATA or ./data.
func (a *app) dataFolder() string {
	if a.data != "" {
		return a.data
	}
	if d := a.Getenv("GATEHOUSE_DATA"); d != "" {
		return d
	}
	return "./data"
}

// parent makes a command that only has subcommands.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown command %q for %q", args[0], cmd.CommandPath())
		}
		return cmd.Help()
	}}
	cmd.AddCommand(children...)
	return cmd
}

// exactly demands n arguments; what they are is in the command's Use.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("use: %s", cmd.UseLine())
		}
		return nil
	}
}

// atLeast demands n arguments or more.
func atLeast(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("use: %s", cmd.UseLine())
		}
		return nil
	}
}
