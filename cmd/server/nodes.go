package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gatehouse/configs"
	"gatehouse/storage/nodes"
	"gatehouse/storage/pause"
)

// joinPause is between two tries to join under a name that another gateway has.
const joinPause = time.Second

// joinNodes makes this run known to the other gateways on the store. Where the name
// is another's, its lease is waited for: that one may have ended a moment ago, on
// another machine that had this data folder.
func (c *core) joinNodes(ctx context.Context, o Options, p past, log *slog.Logger) error {
	conf := o.Config
	if conf.State.Kind != configs.Redis {
		return nil
	}
	place, err := placeOf(conf.Data)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // for people alone
	join := nodes.Config{
		State: c.state, Node: c.node, Epoch: c.epoch, Former: p.former, Place: place,
		Version: o.Version, Address: host, Lease: conf.Node.Lease, Log: log,
	}
	for began := time.Now(); ; {
		c.nodes, err = nodes.Open(ctx, join)
		// Nor is it another's where a try of this start may have joined that nobody was told of.
		own := p.former == "" || p.tried
		patient := errors.Is(err, nodes.ErrTaken) && own && time.Since(began) <= conf.Node.Lease
		if err == nil {
			c.metrics.Held(c.nodes.Held)
		}
		if !patient || pause.For(ctx, joinPause) != nil {
			return err
		}
	}
}

// bury says what is done for a node that has died, in this order: nobody of it is
// logged in any more, which the sessions have said themselves; its half-made uploads
// go; then, with the tree as it stays, its quotas are counted.
func (c *core) bury(ctx context.Context) {
	if c.nodes == nil {
		return
	}
	c.nodes.Bury(c.staging.Reap)
	c.nodes.Bury(c.quotas.Bury)
	c.nodes.Bury(c.traffic.Bury)
	c.nodes.Bury(c.webhooks.Bury)
	c.nodes.Start(ctx)
}

// leave takes this node from among the others, when all that it held was given
// back; else they bury it.
func (c *core) leave(ctx context.Context, unsettled error) error {
	if unsettled != nil {
		return c.nodes.Abandon(ctx)
	}
	return c.nodes.Close(ctx)
}

// placeOf names where a data folder is used: this machine, since it was started,
// and the folder. A copy of the folder, or of the whole machine, is another place.
func placeOf(data string) (string, error) {
	dir, err := filepath.EvalSymlinks(data)
	if err != nil {
		return "", fmt.Errorf("find the data folder: %w", err)
	}
	info, err := os.Stat(filepath.Join(dir, lockName))
	if err != nil {
		return "", fmt.Errorf("look at the data folder: %w", err)
	}
	place := []string{firstLine("/etc/machine-id"), firstLine("/proc/sys/kernel/random/boot_id"), dir}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		place = append(place, fmt.Sprint(stat.Dev), fmt.Sprint(stat.Ino)) // each small file system numbers from one
	}
	return strings.Join(place, " "), nil
}

// firstLine is "-" where a file tells nothing.
func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "-"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return cmp.Or(strings.TrimSpace(line), "-")
}

// ownsTrail refuses to write events while another run may be writing them under
// this node's name: this one was not heard of in time, or was declared dead and
// another has its name by now.
func (c *core) ownsTrail(ctx context.Context) error {
	if c.nodes.Held() {
		return nil
	}
	select {
	case <-c.nodes.Lapsed():
	default:
		return nodes.ErrNotHeld
	}
	all, err := c.nodes.List(ctx)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.Node == c.node && n.Epoch != c.epoch && n.Dead.IsZero() {
			return fmt.Errorf("%w: another gateway has the name %s", nodes.ErrTaken, c.node)
		}
	}
	return nil
}
