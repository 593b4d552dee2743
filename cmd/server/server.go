// Package server wires the gateway by hand: store, tree, sessions, doors and
// administration, from a configuration, and takes it down again in order.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/admin"
	"gatehouse/auth/session"
	"gatehouse/cmd/certs"
	"gatehouse/configs"
)

// Options is what Run is given by the command line.
type Options struct {
	Config   *configs.Loaded
	Version  string
	Out, Err io.Writer
	Getenv   func(string) string
	// Reload asks to read certificates and configuration again (SIGHUP).
	Reload <-chan os.Signal
	Load   func() (*configs.Loaded, error)
}

// Run serves until ctx ends, then drains: nobody new, transfers get their grace
// period, and everything is closed in order. A node that others have declared dead,
// or whose store has lost the state of its installation, takes everything down at
// once and begins anew, as soon as the store and that state are there.
func Run(ctx context.Context, o Options) error {
	level := new(slog.LevelVar)
	log := newLog(o.Err, o.Config.Log, level)
	again := make(map[string]string)
	for former := ""; ; {
		// Nothing of a round is used by the next: requests that were cut off may still
		// be looking at it.
		g := &gateway{options: o, log: log, level: level, again: again}
		err := g.round(ctx, former)
		switch {
		case errors.Is(err, errLapsed):
			log.Warn("this node begins anew: the others have taken it for dead, and all its sessions were cut")
		case errors.Is(err, errEmptied):
			log.Error("THE STORE HAS LOST THE STATE OF THIS INSTALLATION: all sessions were cut, and this node begins anew when it is back", "error", err)
		default:
			return err
		}
		former = g.epoch
	}
}

// What ends a round, but not the process.
var (
	// errLapsed: others have declared this run dead.
	errLapsed = errors.New("this run was declared dead")
	// errEmptied: the store does not have what this run is of.
	errEmptied = errors.New("the store is another's")
)

// closing is how long what is left may take to be given back, and to be told.
const closing = 10 * time.Second

// round is one run of the node, from nothing to nothing; former is the one before
// in this process.
func (g *gateway) round(ctx context.Context, former string) error {
	if err := g.start(ctx, former); err != nil {
		return g.unlessStopped(ctx, err)
	}
	err := g.run(ctx)
	closed := g.closeSoon(ctx)
	if errors.Is(err, errLapsed) || errors.Is(err, errEmptied) {
		return err // what it held is not its own any more: others settle it
	}
	return errors.Join(err, closed)
}

// gateway is a running gateway: the core and its doors.
type gateway struct {
	*core
	options Options
	log     *slog.Logger
	level   *slog.LevelVar
	certs   *certs.Source
	// fingerprints are those of the SSH host keys, the preferred one first.
	fingerprints []string
	api          *admin.API
	doors        []door
	again        map[string]string // where a door listened, if the kernel chose that
	first        *newcomer         // the first administrator, once this start is to make it
	given        string            // what firstPassword said at the start
}

// door is a server that listens somewhere.
type door struct {
	name     string
	address  string
	serve    func() error
	shutdown func(context.Context) error
}

// run serves every door until ctx or one of them ends.
func (g *gateway) run(ctx context.Context) error {
	over, end := g.over()
	defer end()
	g.contact.speak(g.log)
	group, inner := errgroup.WithContext(ctx)
	for _, d := range g.doors {
		group.Go(func() error {
			if err := d.serve(); err != nil && !closed(err) {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		g.forgetPassword(inner, g.given)
		return nil
	})
	if !tuned() {
		group.Go(func() error {
			goHeap().keep(inner)
			return nil
		})
	}
	group.Go(func() error {
		for {
			select {
			case <-g.options.Reload:
				g.reload(inner)
			case <-inner.Done():
				return nil
			}
		}
	})
	group.Go(func() error {
		select {
		case <-over.Done():
			return context.Cause(over)
		case <-inner.Done():
			return nil
		}
	})
	group.Go(func() error {
		<-inner.Done()
		g.ready.Store(false)
		if ctx.Err() != nil {
			g.linger(over.Done())
		}
		period := g.options.Config.ShutdownGrace
		if over.Err() != nil {
			period = 0
		}
		g.log.Info("the gateway is stopping", "grace", period.String())
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), period)
		defer cancel()
		return g.drain(grace)
	})
	g.ready.Store(true)
	return group.Wait()
}

// over returns what ends, and why, when this run holds nothing any more: it must not
// go on for anybody. It follows that until end is called.
func (g *gateway) over() (over context.Context, end func()) {
	over, cancel := context.WithCancelCause(context.Background())
	go func() {
		select {
		case <-g.nodes.Lapsed():
			cancel(errLapsed)
		case <-g.bound.Foreign():
			cancel(fmt.Errorf("%w: %w", errEmptied, g.bound.Err()))
		case <-over.Done():
		}
	}()
	return over, func() { cancel(nil) }
}

// linger serves on for a while that is no longer said to be ready: a balancer sends
// nobody more when it has seen that.
func (g *gateway) linger(over <-chan struct{}) {
	delay := g.options.Config.ShutdownDelay
	if delay <= 0 {
		return
	}
	g.log.Info("the gateway will stop, and serves until those who ask /readyz have seen that", "delay", delay.String())
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	}
}

// drain stops the doors at the same time: all share the grace period. The local
// socket and the health listener go last, so that one can look on.
func (g *gateway) drain(grace context.Context) error {
	g.api.Close() // nobody waits for a browser to log out
	sessionsDone := make(chan error, 1)
	go func() { sessionsDone <- g.sessions.Shutdown(grace) }()
	var first, last errgroup.Group
	for _, d := range g.doors {
		group := &first
		if d.name == socketDoor || d.name == metricsDoor {
			group = &last
			continue
		}
		group.Go(func() error { return ignoreDeadline(d.shutdown(grace)) })
	}
	err := first.Wait()
	ended := <-sessionsDone
	if errors.Is(ended, session.ErrUntold) {
		g.untold = ended
	}
	err = errors.Join(err, ignoreDeadline(ended))
	for _, d := range g.doors {
		if d.name == socketDoor || d.name == metricsDoor {
			last.Go(func() error {
				short, cancel := context.WithTimeout(context.WithoutCancel(grace), time.Second)
				defer cancel()
				return ignoreDeadline(d.shutdown(short))
			})
		}
	}
	return errors.Join(err, last.Wait())
}

// ignoreDeadline: transfers that outlasted the grace period were cut, as announced.
func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// reload reads certificates and the log level again; what is wrong is logged and
// leaves everything as it is.
func (g *gateway) reload(ctx context.Context) {
	if err := g.certs.Reload(ctx); err != nil {
		g.log.Error("the certificate was not reloaded", "error", err)
	} else {
		g.log.Info("the certificate was reloaded")
	}
	conf, err := g.options.Load()
	if err != nil {
		g.log.Error("the configuration was not reloaded", "error", err)
		return
	}
	g.level.Set(levelOf(conf.Log.Level))
}

func newLog(w io.Writer, c configs.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(levelOf(c.Level))
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func levelOf(name string) slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(name)) // Validate knows the names
	return l
}

// absolute makes paths of the configuration independent of the working folder.
func absolute(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the folder %s: %w", dir, err)
	}
	return abs, nil
}
