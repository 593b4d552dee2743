package sftp

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// misses is how many questions may stay without a sign of life.
const misses = 3

// watch asks the peer whether it is there, and ends the connection where it
// gives no sign of life or has asked for nothing for too long. It ends with
// the connection. Any byte that comes in is a sign of life: an answer may wait
// for minutes behind an upload over a thin line.
func (c *connection) watch() {
	every := time.NewTicker(c.server.config.Limits.Keepalive)
	defer every.Stop()
	var asking atomic.Bool
	var missed int
	heard := c.net.Received()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-every.C:
		}
		if idle := c.server.config.Limits.Idle; idle > 0 && c.handles.InUse() == 0 && c.idleFor() > idle {
			c.log.Info("end an idle sftp connection", "idle", idle)
			c.cut(errIdle)
			return
		}
		if now := c.net.Received(); now != heard {
			heard, missed = now, 0
		} else if missed++; missed > misses {
			c.log.Info("end an sftp connection that gives no sign of life")
			c.cut(errSilent)
			return
		}
		if asking.CompareAndSwap(false, true) {
			c.beside(func() {
				defer asking.Store(false)
				c.ssh.SendRequest("keepalive@openssh.com", true, nil)
			})
		}
	}
}

// contain ends the connection, and no more, where its goroutine panicked.
func (c *connection) contain() {
	if cause := recover(); cause != nil {
		c.log.Error("panic in an sftp connection", "panic", cause, "stack", string(debug.Stack()))
		c.cut(fmt.Errorf("panic: %v", cause))
	}
}
