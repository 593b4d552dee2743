package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"gatehouse/admin/webhooks"
	"gatehouse/auth"
	"gatehouse/auth/explain"
	"gatehouse/auth/provision"
	"gatehouse/auth/selfservice"
	"gatehouse/auth/session"
	"gatehouse/cmd/kept"
	"gatehouse/cmd/metrics"
	"gatehouse/cmd/mounted"
	"gatehouse/configs"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/backup"
	"gatehouse/storage/events"
	"gatehouse/storage/installation"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/seal"
	"gatehouse/storage/staging"
	"gatehouse/storage/state"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/traffic"
)

// maxStaged bounds how many uploads are staged at once on this node.
const maxStaged = 10_000

// core is everything below the doors.
type core struct {
	data    string
	node    string       // this gateway's name among nodes
	epoch   string       // and that of this run
	nodes   *nodes.Nodes // nil: it is alone
	state   state.Store
	contact *contact
	redis   *redis.Store // what keeps the state, if it does
	room    *room        // and what room it has; nil else
	trail   damaged      // else what keeps the events; nil in memory
	sealer  *seal.Sealer
	// installation is the one whose state this is; nil in memory. bound keeps to it
	// what nodes share; nil alone.
	installation *installation.Installation
	bound        *installation.Bound
	kept         *kept.Keeper // what all nodes have alike; nil where it lies in the data folder
	events       *events.Log
	accounts     *accounts.Store
	mounts       *mount.Table
	watch        *mounted.Watch
	staging      *staging.Area
	quotas       *quota.Ledger
	traffic      *traffic.Traffic
	locks        *locks.Table
	webhooks     *webhooks.Service
	tree         *guard.Tree
	auth         *auth.Authenticator
	sessions     *session.Manager
	provision    *provision.Provisioner
	selfservice  *selfservice.Desk
	explain      *explain.Explainer
	metrics      *metrics.Metrics
	ready        atomic.Bool

	stop   context.CancelFunc // ends what follows the store
	done   sync.WaitGroup
	unlock func() error // lets the data folder go
	untold error        // why the others may not know that all sessions have ended
}

// open builds the core from the bottom up. What was opened is closed again
// where a later step fails. That starting ends is all that it ends for: what is
// open then goes on.
func open(starting context.Context, o Options, p past, log *slog.Logger) (c *core, err error) {
	conf := o.Config
	if conf.Data, err = absolute(conf.Data); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(starting))
	c = &core{data: conf.Data, epoch: epoch(), stop: stop, metrics: metrics.New(o.Version)}
	goOn := context.AfterFunc(starting, stop)
	defer func() {
		if !goOn() {
			err = cmp.Or(err, context.Cause(starting))
		}
		if err != nil {
			err = errors.Join(err, c.closeSoon(starting))
		}
	}()
	if err = c.takeData(ctx); err != nil {
		return c, err
	}
	if err = c.openState(ctx, conf, p, log); err != nil {
		return c, err
	}
	if c.node, err = node(conf); err != nil {
		return c, err
	}
	if err = c.joinNodes(ctx, o, p, log); err != nil {
		return c, err
	}
	if c.events, err = openTrail(ctx, events.Config{
		State: c.state, Node: c.node, Run: c.nodes.Number(), Sealer: c.sealer, Log: log, Fence: c.ownsTrail, Spool: c.spool(log),
	}); err != nil {
		return c, err
	}
	if c.nodes != nil {
		c.metrics.Spooled(c.events.Spooled)
	}
	c.done.Go(func() { c.metrics.Follow(ctx, c.events.Follow(ctx)) })
	if err = c.openWebhooks(conf, cmp.Or(c.nodes.Holder(), c.node), log); err != nil {
		return c, err
	}
	if c.accounts, err = accounts.Open(ctx, c.state); err != nil {
		return c, fmt.Errorf("open the accounts: %w", err)
	}
	if c.nodes != nil {
		c.accounts.Share()
	}
	c.done.Go(func() { c.retain(ctx, log) })
	if c.tree, err = c.openTree(ctx, conf); err != nil {
		return c, err
	}
	for _, err := range c.staging.Left() {
		log.WarnContext(ctx, "what was staged before stays", "error", err)
	}
	c.checkQuotas(conf.QuotaCheck, log)
	c.traffic = traffic.New(c.state, c.node+"/"+c.epoch)
	if c.nodes != nil {
		c.traffic.Share()
	}
	if err = c.openSessions(ctx, conf, log); err != nil {
		return c, err
	}
	c.bury(ctx)
	c.compareTrees(ctx, log)
	return c, nil
}

// takeData makes the data folder this gateway's alone, before anything is changed in it.
func (c *core) takeData(ctx context.Context) (err error) {
	if err := prepareData(c.data); err != nil {
		return err
	}
	if c.unlock, err = lockData(ctx, c.data); err != nil {
		return err
	}
	if err := backup.Finish(c.data); err != nil {
		return fmt.Errorf("finish a restore that was cut off: %w", err)
	}
	return clearData(c.data)
}

func (c *core) openTree(ctx context.Context, conf *configs.Loaded) (*guard.Tree, error) {
	mounts, err := openMounts(conf)
	if err == nil {
		err = checkClashes(conf)
	}
	if err != nil {
		return nil, err
	}
	if c.mounts, err = mount.New(mounts...); err != nil {
		return nil, fmt.Errorf("join the mounts: %w", err)
	}
	c.watch = mounted.New(ctx, c.mounts, c.sign())
	if c.staging, err = staging.New(ctx, c.mounts, c.node, c.epoch, maxStaged); err != nil {
		return nil, fmt.Errorf("prepare staging: %w", err)
	}
	c.locks = locks.New(c.state, func(p path.Path) string {
		m, _ := c.mounts.Of(p)
		return m.Path.String()
	})
	var tree *guard.Tree
	made := make(chan struct{}) // the ledger may count before the tree it counts is made
	walk := func(ctx context.Context, folder path.Path) (quota.Amount, error) {
		select {
		case <-made:
			return tree.Walk(ctx, folder)
		case <-ctx.Done():
			return quota.Amount{}, context.Cause(ctx)
		}
	}
	if c.quotas, err = quota.New(ctx, c.state, c.node, c.epoch, walk); err != nil {
		return nil, fmt.Errorf("open the quotas: %w", err)
	}
	shared := guard.TreeConfig{Mounts: c.mounts, Staging: c.staging, Quotas: c.quotas, Locks: c.locks}
	if c.nodes != nil {
		c.quotas.Share(quota.Sharing{Living: c.nodes.Living, Held: c.nodes.Held})
		c.locks.Share(c.redis.Away)
		shared.Fence = c.nodes.Fence
	} else {
		if c.kept != nil { // there were others
			c.staging.Alone(ctx)
		}
		c.locks.Alone()
		if err := c.quotas.Alone(ctx); err != nil {
			return nil, err
		}
	}
	tree = guard.NewTree(shared)
	close(made)
	return tree, nil
}

// mountDir makes a mount's folder within the data folder. One elsewhere must be
// there: where its disk is not mounted, or its name is misspelt, an empty tree
// would be served, and filled on the wrong disk.
func mountDir(data, dir string) error {
	if rel, err := filepath.Rel(data, dir); err == nil && filepath.IsLocal(rel) {
		return os.MkdirAll(dir, 0o750)
	}
	_, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no folder %s: make it, or mount the disk that holds it", dir)
	}
	return err
}

func openMounts(conf *configs.Loaded) ([]mount.Mount, error) {
	var mounts []mount.Mount
	for i, m := range conf.Mounts {
		key := fmt.Sprintf("mounts[%d]", i)
		dir, err := absolute(m.Dir)
		if err != nil {
			return nil, err
		}
		conf.Mounts[i].Dir = dir
		if err := mountDir(conf.Data, dir); err != nil {
			return nil, fmt.Errorf("%s.dir: %w", key, err)
		}
		fileMode, _ := configs.FileMode(m.FileMode) // Validate has read them
		dirMode, _ := configs.FileMode(m.DirMode)
		b, err := local.Open(dir, local.Options{UID: owner(m.UID), GID: owner(m.GID), FileMode: fileMode, DirMode: dirMode})
		if err != nil {
			return nil, fmt.Errorf("%s.dir: %w", key, err)
		}
		p, err := path.Parse(m.Path)
		if err != nil {
			return nil, fmt.Errorf("%s.path: %w", key, err)
		}
		mounts = append(mounts, mount.Mount{Path: p, Backend: b, Sync: m.Fsync})
	}
	return mounts, nil
}

// checkClashes refuses mounts that overlap each other or hold the data folder;
// the default mount, which stands inside it, excepted.
func checkClashes(conf *configs.Loaded) error {
	var mounted []mount.Folder
	for i, m := range conf.Mounts {
		mounted = append(mounted, mount.Folder{Key: fmt.Sprintf("mounts[%d].dir", i), Dir: m.Dir})
	}
	clashes, err := mount.Clashes(mounted, []mount.Folder{{Key: "data", Dir: conf.Data}})
	if err != nil {
		return fmt.Errorf("compare the mounts: %w", err)
	}
	var problems configs.Problems
	for _, c := range clashes {
		problems = append(problems, configs.Problem{Key: c.Key, Why: c.Why})
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// owner is nil for -1: new files stay the process's own.
func owner(id int) *int {
	if id < 0 {
		return nil
	}
	return &id
}

func (c *core) openSessions(ctx context.Context, conf *configs.Loaded, log *slog.Logger) error {
	trusted, err := policy.ParsePrefixes(conf.TrustedProxies)
	if err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	c.auth, err = auth.New(auth.Config{
		Accounts: c.accounts, State: c.state, Log: log, Key: c.sealer.Derive("failures"), Trusted: trusted,
		Sealer: c.sealer, Issuer: outsideName(conf),
	})
	if err != nil {
		return fmt.Errorf("open authentication: %w", err)
	}
	if err := c.auth.Follow(ctx); err != nil {
		return err
	}
	c.sessions = session.New(ctx, session.Config{
		Accounts: c.accounts, Auth: c.auth, Tree: c.tree, Traffic: c.traffic, Events: c.events, State: c.state, Log: log,
		Node: c.node, Nodes: c.nodes,
		AwayReads: conf.State.Away == configs.ReadOnly,
		Key:       c.sealer.Derive("sessions"),
	})
	c.metrics.Sessions(c.sessions.List)
	c.provision = provision.New(ctx, provision.Config{
		Accounts: c.accounts, Auth: c.auth, Sessions: c.sessions, Tree: c.tree, Quotas: c.quotas, Traffic: c.traffic,
		Events: c.events, Nodes: c.nodes, Log: log,
	})
	c.selfservice = selfservice.New(selfservice.Config{Accounts: c.accounts, Auth: c.auth, Sessions: c.sessions, Log: log})
	c.explain = explain.New(explain.Config{Accounts: c.accounts, Auth: c.auth, Sessions: c.sessions, Tree: c.tree, Traffic: c.traffic})
	return nil
}

// closeSoon is close, with a bound of its own: ctx may have ended.
func (c *core) closeSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	return c.close(ctx)
}

// close takes the core down from the top.
func (c *core) close(ctx context.Context) error {
	var errs []error
	if c.webhooks != nil {
		c.webhooks.Close()
	}
	if c.provision != nil {
		c.provision.Close()
	}
	if c.accounts != nil {
		errs = append(errs, c.accounts.Close(ctx))
	}
	if c.traffic != nil {
		errs = append(errs, c.traffic.Close(ctx))
	}
	if c.quotas != nil {
		errs = append(errs, c.quotas.Close(ctx))
	}
	if c.events != nil {
		errs = append(errs, c.events.Close(ctx))
	}
	if c.nodes != nil {
		errs = append(errs, c.leave(ctx, errors.Join(append(errs, c.untold)...)))
	}
	c.stop()
	c.done.Wait()
	if c.watch != nil {
		errs = append(errs, c.watch.Close())
	}
	if c.mounts != nil {
		errs = append(errs, c.mounts.Close())
	}
	if c.state != nil {
		errs = append(errs, c.state.Close())
	}
	if c.unlock != nil {
		errs = append(errs, c.unlock())
	}
	return errors.Join(errs...)
}

// trustedProxies are the configured proxies; Run has parsed them before.
func trustedProxies(conf *configs.Loaded) proxies {
	list, err := policy.ParsePrefixes(conf.TrustedProxies)
	if err != nil {
		return []netip.Prefix{}
	}
	return list
}
