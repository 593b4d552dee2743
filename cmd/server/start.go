package server

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"gatehouse/cmd/certs"
	"gatehouse/storage/installation"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
)

// How long a gateway that starts waits for a store that is not there yet, and how
// often it looks.
const (
	storePatience  = 30 * time.Second
	storePause     = 500 * time.Millisecond
	storePauseMost = 4 * time.Second
	// storeReminder is how often it is said again what is waited for.
	storeReminder = time.Minute
)

// A past is what was before in this process.
type past struct {
	former string // the run that has served before, if any
	tried  bool   // this start was tried before: what it began may still be in the store
}

// start opens everything, so that it only has to be served. It is tried again while
// the store is away, wherever that is met: at the first start of a process for
// storePatience, and without end by a node that has served before, which also waits
// for the state of its installation, and a while for its addresses: while it was away
// another may have got one. former is the run that has served.
func (g *gateway) start(ctx context.Context, former string) error {
	var since, told time.Time
	for next := storePause; ; next = min(2*next, storePauseMost) {
		err := g.try(ctx, past{former: former, tried: !since.IsZero()})
		if err == nil || ctx.Err() != nil {
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if !waitsOut(err, former, time.Since(since)) {
			return errors.Join(err, g.tellOfFirst())
		}
		if time.Since(told) > storeReminder {
			told = time.Now()
			g.tellWaiting(err, former)
		}
		if pause.For(ctx, next) != nil {
			return fmt.Errorf("wait to start: %w", context.Cause(ctx))
		}
	}
}

// waitsOut reports whether a start that failed is tried again.
func waitsOut(err error, former string, waited time.Duration) bool {
	switch {
	case former != "" && errors.Is(err, syscall.EADDRINUSE):
		return waited < storePatience
	case !errors.Is(err, state.ErrAway) && !errors.Is(err, state.ErrUnknown):
		return false
	case former != "":
		return true
	}
	return !errors.Is(err, installation.ErrForeign) && waited < storePatience
}

func (g *gateway) tellWaiting(err error, former string) {
	switch {
	case errors.Is(err, installation.ErrForeign):
		g.log.Error("THE STORE DOES NOT HAVE THE STATE OF THIS INSTALLATION: nobody is let in, and nothing is made there, until it is back", "error", err)
	case errors.Is(err, syscall.EADDRINUSE):
		g.log.Warn("this node cannot begin anew yet: another has one of its addresses", "patience", storePatience.String(), "error", err)
	case former != "":
		g.log.Warn("this node cannot begin anew yet: the store is not there and is waited for", "error", err)
	default:
		g.log.Warn("the store is not there yet and is waited for", "patience", storePatience.String(), "error", err)
	}
}

// try opens the core and the doors, or nothing. The first administrator comes after
// everything that can stop the start, so that a password which is shown once is not
// lost with it.
func (g *gateway) try(ctx context.Context, p past) (err error) {
	if g.core, err = open(ctx, g.options, p, g.log); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.closeListeners(), g.closeSoon(ctx))
		}
	}()
	if err := g.openCertificates(ctx); err != nil {
		return err
	}
	if err := g.listen(ctx); err != nil {
		return err
	}
	secret, err := g.firstAdmin(ctx)
	if err != nil {
		return err
	}
	if g.given, err = g.firstPassword(ctx); err != nil {
		return fmt.Errorf("look for the first administrator: %w", err)
	}
	if p.former != "" {
		return nil
	}
	return g.greet(secret)
}

func (g *gateway) openCertificates(ctx context.Context) (err error) {
	c := g.options.Config
	g.certs, err = certs.New(ctx, certs.Config{
		Dir: c.Data, Kept: g.kept, Certificate: c.TLS.Certificate, Key: c.TLS.Key, Hosts: hostsOf(c),
		Domains: c.TLS.ACME.Domains, Email: c.TLS.ACME.Email, Directory: c.TLS.ACME.Directory,
	})
	return err
}

// unlessStopped is the error of a start, nil where the start was called off.
func (g *gateway) unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	g.log.Info("the gateway was stopped while it started")
	return nil
}
