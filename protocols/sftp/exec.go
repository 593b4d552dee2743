package sftp

import (
	"context"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp/command"
	"gatehouse/protocols/sftp/scp"
	"gatehouse/protocols/sftp/subsystem"
	"gatehouse/protocols/sftp/words"
)

// commandOf reads the command of an exec request (RFC 4254 6.5).
func commandOf(payload []byte) (string, bool) {
	var line struct{ Command string }
	err := ssh.Unmarshal(payload, &line)
	return line.Command, err == nil
}

// serveCommand answers an exec request. It has the rights of the session and no
// others; the client hears an exit status of everything.
func (c *connection) serveCommand(ctx context.Context, ch ssh.Channel, line string) {
	c.touch()
	stalled := c.server.config.Limits.Stalled
	out, told := subsystem.NewPatient(ch, stalled, c.cut), subsystem.NewPatient(ch.Stderr(), stalled, c.cut)
	defer out.Stop()
	defer told.Stop()
	if err := c.handles.Take(); err != nil {
		_, text := subsystem.Status(err)
		c.exit(ch, command.Fail(told, text))
		return
	}
	// A server that drains lets a connection go that has nothing open: the client
	// is to hear how its command ended before that.
	defer c.leaveIfIdle()
	defer c.handles.Release()
	defer c.touch()
	c.exit(ch, c.runCommand(ctx, command.Config{FS: c.session.FS(), Log: c.log, In: ch, Out: out, Err: told}, ch, line))
	ch.Close() // who has gone has closed it
}

func (c *connection) runCommand(ctx context.Context, with command.Config, ch ssh.Channel, line string) int {
	list, err := words.Split(line)
	if err != nil {
		c.log.Debug("an ssh command that is none", "error", err)
		return command.Refuse(with.Err, err.Error())
	}
	if len(list) > 0 && list[0].Text == "scp" {
		return c.runSCP(ctx, ch, list[1:])
	}
	return command.Run(ctx, with, list)
}

func (c *connection) runSCP(ctx context.Context, ch ssh.Channel, args []words.Word) int {
	limits := c.server.config.Limits
	err := scp.Serve(ctx, ch, scp.Config{
		FS: c.session.FS(), Account: c.session.Account(), Log: c.log, Handles: c.handles,
		Stalled: limits.Stalled, Idle: limits.Idle, Cut: c.cut,
	}, args)
	if err != nil {
		c.log.Debug("scp ended", "error", err)
		return command.Failed
	}
	return command.Done
}

// exit tells how a channel's work ended (RFC 4254 6.10).
func (c *connection) exit(ch ssh.Channel, status int) {
	// Who has gone does not hear it, and need not.
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
}
