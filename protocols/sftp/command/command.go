// Package command answers the few commands that tools run beside a transfer:
// hashes of files, free space, the present folder. There is no shell and nothing
// is executed: what is not in the list does not exist.
package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/subsystem"
	"gatehouse/protocols/sftp/words"
)

// Exit statuses, as shells give them.
const (
	Done     = 0
	Failed   = 1
	NotFound = 127
)

// A Config is what a command is answered with. All fields must be set.
type Config struct {
	FS       *session.FS
	Log      *slog.Logger
	In       io.Reader
	Out, Err io.Writer
}

// commands are all that there are, by name.
var commands = map[string]func(*run, context.Context, []words.Word) int{
	"md5sum": hashing("md5sum"), "sha1sum": hashing("sha1sum"), "sha256sum": hashing("sha256sum"), "sha512sum": hashing("sha512sum"),
	"df": (*run).df, "pwd": (*run).pwd, "cd": (*run).cd, "echo": (*run).echo,
}

// Known are the names of the commands, for those who explain.
const Known = "md5sum, sha1sum, sha256sum, sha512sum, df, pwd, cd, echo"

// Run answers one command and returns its exit status.
func Run(ctx context.Context, c Config, line []words.Word) int {
	r := &run{Config: c}
	if len(line) == 0 {
		return Refuse(c.Err, "no command")
	}
	do := commands[line[0].Text]
	if do == nil {
		return Refuse(c.Err, line[0].Text+": command not found")
	}
	r.name = line[0].Text
	return do(r, ctx, line[1:])
}

// Refuse tells why a command is none, and returns the status of that.
func Refuse(to io.Writer, text string) int {
	tell(to, "%s; there is no shell here, only file transfer and: %s\n", subsystem.Printable(text), Known)
	return NotFound
}

// Fail tells why no command can be run now, and returns the status of that.
func Fail(to io.Writer, text string) int {
	tell(to, "%s\n", text)
	return Failed
}

// tell writes a line. Whether the client still reads it changes nothing.
func tell(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }

// A run is one command on its way.
type run struct {
	Config
	name string
}

// fail tells what could not be done with a path.
func (r *run) fail(name string, cause error) int {
	_, text := subsystem.Status(cause)
	if text == subsystem.UnknownFailure {
		r.Log.Warn("command failed", "command", r.name, "error", cause)
	}
	tell(r.Err, "%s: %s: %s\n", r.name, subsystem.Printable(name), text)
	return Failed
}

func (r *run) usage(text string) int {
	tell(r.Err, "usage: %s %s\n", r.name, text)
	return Failed
}

func (r *run) pwd(_ context.Context, args []words.Word) int {
	if len(args) > 0 {
		return r.usage("")
	}
	tell(r.Out, "%s\n", path.Root)
	return Done
}

// cd looks whether a folder is there: each command begins at the root.
func (r *run) cd(ctx context.Context, args []words.Word) int {
	if len(args) == 0 {
		return Done
	}
	if len(args) > 1 {
		return r.usage("[folder]")
	}
	p, err := path.Parse(args[0].Text)
	if err == nil {
		var info session.Info
		if info, err = r.FS.Stat(ctx, p); err == nil && !info.IsDir() {
			err = session.ErrNotDir
		}
	}
	if err != nil {
		return r.fail(args[0].Text, err)
	}
	return Done
}

func (r *run) echo(_ context.Context, args []words.Word) int {
	var texts []string
	for _, a := range args {
		texts = append(texts, a.Text)
	}
	tell(r.Out, "%s\n", strings.Join(texts, " "))
	return Done
}

// options takes the options off the front of args: letters of allowed.
func options(args []words.Word, allowed string) (rest []words.Word, ok bool) {
	for len(args) > 0 && len(args[0].Text) > 1 && args[0].Text[0] == '-' {
		flags := args[0].Text[1:]
		args = args[1:]
		if flags == "-" {
			return args, true
		}
		if strings.Trim(flags, allowed) != "" {
			return args, false
		}
	}
	return args, true
}
