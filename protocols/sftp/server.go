package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"
)

// Serve accepts connections until Shutdown, and then returns ErrServerClosed.
// It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.listen(l) {
		return ErrServerClosed
	}
	defer s.forget(l)
	var pause time.Duration
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(conn)
		case s.isDraining():
			return ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept an sftp connection: %w", err)
		default:
			// Out of file descriptors, or the peer is gone already: that passes.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.config.Log.Warn("accept an sftp connection", "error", err, "pause", pause)
			time.Sleep(pause)
		}
	}
}

// afterCut is how long Shutdown waits for connections that it has cut.
const afterCut = 5 * time.Second

// Shutdown accepts nobody any more. Connections without open files are closed
// at once, the others when they have closed theirs, and what is left when ctx
// ends is cut. It returns when all are gone, or a moment after the cut: one that
// is stuck holds up nobody. It returns nil if nothing was cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	gone := make(chan struct{})
	go func() { // ends after the cut below, unless a connection is stuck
		s.served.Wait()
		close(gone)
	}()
	defer s.stop()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	s.stop()
	for _, c := range s.connections() {
		c.cut(ErrServerClosed)
	}
	late := time.NewTimer(afterCut)
	defer late.Stop()
	select {
	case <-gone:
	case <-late.C:
		s.config.Log.Error("sftp connections do not end though they were cut", "connections", len(s.connections()))
	}
	return ctx.Err()
}

func (s *Server) drain() {
	s.mu.Lock()
	s.draining = true
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	for _, c := range s.connections() {
		c.leave()
	}
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) forget(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) connections() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*connection, 0, len(s.open))
	for c := range s.open {
		list = append(list, c)
	}
	return list
}

// accept serves a connection in a goroutine that ends with it. Who comes while
// too many are logging in is told so in the line that may stand before the
// SSH identification (RFC 4253 4.2), and let go before any work is done, unless
// somebody who has more is to make room.
func (s *Server) accept(raw net.Conn) {
	from := addressOf(raw)
	c := newConnection(s, raw, from)
	place, err := s.strangers.Enter(from, func() { c.cut(errCrowded) })
	if err != nil {
		s.config.Log.Debug("too many sftp connections are logging in", "address", from)
		raw.SetWriteDeadline(time.Now().Add(time.Second))
		raw.Write([]byte("Too many connections are logging in, try again later\r\n"))
		c.drop(errCrowded)
		return
	}
	c.place = place
	if !s.add(c) {
		c.place.Leave()
		c.drop(ErrServerClosed)
		return
	}
	go func() {
		defer s.served.Done()
		defer s.remove(c)
		defer func() {
			if cause := recover(); cause != nil {
				s.config.Log.Error("panic in an sftp connection", "address", from, "panic", cause, "stack", string(debug.Stack()))
			}
		}()
		c.serve()
	}()
}

func (s *Server) add(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.open[c] = struct{}{}
	s.served.Add(1)
	return true
}

func (s *Server) remove(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}
