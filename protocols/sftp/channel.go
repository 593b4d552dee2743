package sftp

import (
	"context"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/sftp/subsystem"
)

// take serves a channel, if it is a session and there is room for it. Nothing is
// forwarded.
func (c *connection) take(n ssh.NewChannel) {
	if n.ChannelType() != "session" {
		n.Reject(ssh.Prohibited, "this service is for file transfer only")
		return
	}
	if c.inUse.Add(1) > int64(c.server.config.Limits.Channels) {
		c.inUse.Add(-1)
		n.Reject(ssh.ResourceShortage, "too many channels")
		return
	}
	c.beside(func() {
		defer c.inUse.Add(-1)
		ch, requests, err := n.Accept()
		if err != nil {
			return
		}
		c.serveChannel(ch, requests)
	})
}

// serveChannel waits for the one request that is granted, the sftp subsystem or
// a command, and refuses all others, before and after it.
func (c *connection) serveChannel(ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	ctx, gone := context.WithCancel(c.session.Context())
	defer gone()
	started := false
	for r := range requests {
		var work func()
		if !started {
			work = c.workOf(ctx, ch, r)
		}
		if r.WantReply {
			r.Reply(work != nil, nil)
		}
		if work != nil {
			started = true
			c.beside(func() {
				defer ch.Close()
				work()
			})
		}
	}
}

// workOf is what a request of a channel asks for, nil where that is refused. The
// context of a command ends with its channel.
func (c *connection) workOf(ctx context.Context, ch ssh.Channel, r *ssh.Request) func() {
	switch r.Type {
	case "subsystem":
		if isSFTP(r.Payload) {
			return func() { c.serveSFTP(ctx, ch) }
		}
	case "exec":
		if line, ok := commandOf(r.Payload); ok {
			return func() { c.serveCommand(ctx, ch, line) }
		}
	}
	return nil
}

func isSFTP(payload []byte) bool {
	var name struct{ Name string }
	return ssh.Unmarshal(payload, &name) == nil && name.Name == "sftp"
}

func (c *connection) serveSFTP(ctx context.Context, ch ssh.Channel) {
	err := subsystem.Serve(c.session.Context(), ch, subsystem.Config{
		FS: c.session.FS(), Account: c.session.Account(), Log: c.log,
		Buffers: c.server.buffers, Handles: c.handles,
		Stalled: c.server.config.Limits.Stalled, Cut: c.cut, Gone: ctx.Done(),
		Active: c.touch, Closed: c.leaveIfIdle,
	})
	status := 0
	if err != nil {
		c.log.Debug("an sftp channel ended", "error", err)
		status = 1
	}
	c.exit(ch, status)
}
