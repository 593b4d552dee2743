package sftp

import (
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

// serveChannel waits for the one request that is granted, the sftp subsystem,
// and refuses all others, before and after it.
func (c *connection) serveChannel(ch ssh.Channel, requests <-chan *ssh.Request) {
	defer ch.Close()
	started := false
	for r := range requests {
		wanted := r.Type == "subsystem" && isSFTP(r.Payload) && !started
		if r.WantReply {
			r.Reply(wanted, nil)
		}
		if wanted {
			started = true
			c.beside(func() {
				defer ch.Close()
				c.serveSFTP(ch)
			})
		}
	}
}

func isSFTP(payload []byte) bool {
	var name struct{ Name string }
	return ssh.Unmarshal(payload, &name) == nil && name.Name == "sftp"
}

func (c *connection) serveSFTP(ch ssh.Channel) {
	err := subsystem.Serve(c.session.Context(), ch, subsystem.Config{
		FS: c.session.FS(), Account: c.session.Account(), Log: c.log,
		Buffers: c.server.buffers, Handles: c.handles,
		Stalled: c.server.config.Limits.Stalled, Cut: c.cut,
		Active: c.touch, Closed: c.leaveIfIdle,
	})
	status := struct{ Status uint32 }{}
	if err != nil {
		c.log.Debug("an sftp channel ended", "error", err)
		status.Status = 1
	}
	ch.SendRequest("exit-status", false, ssh.Marshal(status))
}
