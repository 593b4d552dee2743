package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// An administrator makes accounts and groups over the local socket, changes and
// deletes them, and keeps a journal. Now and then it puts a file into a home.
type administrator struct {
	node  *node
	files *davClient // as an account that may everything
	plan  planner

	mu      sync.Mutex // guards what follows
	staff   staff
	pending *change
	acked   []change // since the load began
	history []staff  // before each of them
	// underWay is what may have been under way at the moment of a backup.
	underWay []change
}

func newAdministrator(n *node, prefix string, site bool) *administrator {
	return &administrator{
		node: n, plan: planner{prefix: prefix, site: site},
		staff: staff{People: map[string]person{}, Groups: map[string]bool{}, Kept: map[string][]int64{}},
	}
}

func (a *administrator) work(l *load) error {
	var err error
	if a.files, err = overDAV(a.node.addr["HTTP"], "admin", "", adminPassword); err != nil {
		return fmt.Errorf("an administrator: log in: %w", err)
	}
	defer a.files.close()
	l.in("admin", "WebDAV")
	for !l.stopped() {
		c := a.begin()
		err := a.do(c)
		if err != nil && !errors.Is(err, errFull) {
			return fmt.Errorf("%s: %w", c, err)
		}
		a.end(c, err == nil)
		l.did()
	}
	return nil
}

func (a *administrator) begin() change {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.plan.next(a.staff)
	a.pending = &c
	return c
}

func (a *administrator) end(c change, done bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = nil
	if done {
		a.history = append(a.history, a.staff)
		a.staff = a.staff.after(c)
		a.acked = append(a.acked, c)
	}
}

// done is how many changes were acknowledged since the load began.
func (a *administrator) done() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.acked)
}

func (a *administrator) do(c change) error {
	account, group := "/accounts/"+c.who, "/groups/"
	switch c.kind {
	case created:
		body := map[string]any{"username": c.who, "display_name": c.who, "quota": limit(c.n)}
		if c.other != "" {
			body["groups"] = []string{c.other}
		}
		return a.node.api(http.MethodPost, "/accounts", body, nil)
	case changed:
		return a.node.api(http.MethodPatch, account, map[string]any{"display_name": c.other, "quota": limit(c.n)}, nil)
	case granted:
		return a.node.api(http.MethodPost, account+"/grants", map[string]any{"path": "/shared", "preset": "read-only", "at": c.other}, nil)
	case revoked:
		return a.revoke(account, c.other)
	case disabled:
		return a.node.api(http.MethodPost, account+"/disable", nil, nil)
	case enabled:
		return a.node.api(http.MethodPost, account+"/enable", nil, nil)
	case joined:
		return a.node.api(http.MethodPut, group+c.other+"/members/"+c.who, nil, nil)
	case left:
		return a.node.api(http.MethodDelete, group+c.other+"/members/"+c.who, nil, nil)
	case deleted:
		query := url.Values{"files": {c.other}, "confirm": {c.who}}
		return a.node.api(http.MethodDelete, account+"?"+query.Encode(), nil, nil)
	case formed:
		return a.node.api(http.MethodPost, "/groups", map[string]any{"name": c.who}, nil)
	case dissolved:
		return a.node.api(http.MethodDelete, group+c.who, nil, nil)
	case settled:
		return a.node.api(http.MethodPatch, "/site", map[string]any{"audit": map[string]any{"keep_days": c.n}}, nil)
	}
	a.mu.Lock()
	name := fileName(len(a.staff.People[c.who].Files))
	a.mu.Unlock()
	return a.files.do(step{verb: put, name: "home/" + c.who + "/" + name, piece: fileOf(c.who, name, c.n)})
}

// limit is a quota of so many bytes; 0 is none.
func limit(n int64) any {
	if n == 0 {
		return nil
	}
	return map[string]any{"limit_bytes": n}
}

func fileName(i int) string { return fmt.Sprintf("f%d", i) }

// fileOf is what an administrator puts into a home.
func fileOf(account, name string, n int64) piece {
	h := fnv.New64a()
	_, _ = h.Write([]byte(account + "/" + name))
	return whole(h.Sum64()|1, int(n))
}

func (a *administrator) revoke(account, at string) error {
	var x accountView
	if err := a.node.api(http.MethodGet, account, nil, &x); err != nil {
		return err
	}
	for _, g := range x.Grants {
		if g.At == at {
			return a.node.api(http.MethodDelete, account+"/grants/"+g.ID, nil, nil)
		}
	}
	return fmt.Errorf("%s has no grant at %s, which was acknowledged", account, at)
}

// accountView is what the tests read of an account.
type accountView struct {
	ID       string
	Username string
	Display  string `json:"display_name"`
	Status   struct{ State string }
	Quota    struct {
		Limit int64 `json:"limit_bytes"`
	}
	Groups []string
	Grants []struct{ ID, At string }
}

// present asks for the staff as the gateway knows it, with the ids of accounts.
func (a *administrator) present() (staff, error) {
	is := staff{People: map[string]person{}, Groups: map[string]bool{}}
	for cursor := ""; ; {
		var page struct {
			Items []accountView
			Next  string `json:"next_cursor"`
		}
		if err := a.node.api(http.MethodGet, "/accounts?limit=50&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return is, err
		}
		for _, x := range page.Items {
			if a.plan.mine(x.Username) {
				is.People[x.Username] = x.person()
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	var groups []struct{ Name string }
	if err := a.node.api(http.MethodGet, "/groups", nil, &groups); err != nil {
		return is, err
	}
	for _, g := range groups {
		if a.plan.mine(g.Name) {
			is.Groups[g.Name] = true
		}
	}
	if !a.plan.site {
		return is, nil
	}
	var site struct {
		Audit struct {
			Days int `json:"keep_days"`
		}
	}
	err := a.node.api(http.MethodGet, "/site", nil, &site)
	is.Days = site.Audit.Days
	return is, err
}

func (x accountView) person() person {
	p := person{Display: x.Display, Quota: x.Quota.Limit, Disabled: x.Status.State == "disabled"}
	for _, g := range x.Grants {
		p.Grants = append(p.Grants, g.At)
	}
	p.Groups = x.Groups
	return p.with(func(*person) {})
}

// known is what the API tells of a staff, as text that can be compared.
func (s staff) known() string {
	s = s.copyOf()
	for name, p := range s.People {
		p = p.with(func(p *person) { p.Files = nil })
		p.Grants, p.Groups = append([]string{}, p.Grants...), append([]string{}, p.Groups...)
		s.People[name] = p
	}
	s.Kept = nil
	b, _ := json.MarshalIndent(s, "", " ")
	return string(b)
}

// verify compares the journal with what the gateway knows and what the homes
// hold, which it takes for known from then on.
func (a *administrator) verify() error {
	is, err := a.present()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	worlds := []staff{a.staff}
	if a.pending != nil {
		worlds = append(worlds, a.staff.after(*a.pending))
	}
	i := slices.IndexFunc(worlds, func(s staff) bool { return s.known() == is.known() })
	if i < 0 {
		return fmt.Errorf("unanswered %v: the gateway knows %s, acknowledged was %s", a.pending, is.known(), a.staff.known())
	}
	if err := a.verifyHomes(worlds[i:]); err != nil {
		return err
	}
	return a.repeat(i > 0)
}

// verifyHomes compares the homes with the first of these worlds that fits. What
// deleted accounts leave the gateway sees to in the background.
func (a *administrator) verifyHomes(worlds []staff) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var wrong []error
		for i, world := range worlds {
			if i > 0 && world.known() != worlds[0].known() {
				break
			}
			err := a.homesOf(world)
			if err == nil {
				a.staff = world
				a.staff.Kept = map[string][]int64{}
				return nil
			}
			wrong = append(wrong, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("unanswered %v: %w", a.pending, errors.Join(wrong...))
		}
	}
}

func (a *administrator) homesOf(s staff) error {
	var errs []error
	for name, p := range s.People {
		errs = append(errs, holds(a.node.files("home/"+name), name, p.Files))
	}
	entries, err := os.ReadDir(a.node.files("home"))
	errs = append(errs, err)
	for _, e := range entries {
		if _, ok := s.People[e.Name()]; ok || !a.plan.mine(e.Name()) {
			continue
		}
		if a.pending != nil && a.pending.kind == created && a.pending.who == e.Name() {
			errs = append(errs, holds(a.node.files("home/"+e.Name()), e.Name(), nil))
			continue
		}
		errs = append(errs, fmt.Errorf("there is a home of %s, who is no more", e.Name()))
	}
	for name, files := range s.Kept {
		found, err := filepath.Glob(a.node.files(".kept/" + name + "-*"))
		if err != nil || len(found) != 1 {
			errs = append(errs, fmt.Errorf("the kept home of %s is at %v", name, found))
			continue
		}
		errs = append(errs, holds(found[0], name, files))
	}
	return errors.Join(errs...)
}

// holds compares a home with the files that were put into it.
func holds(dir, account string, sizes []int64) error {
	should := holdings{}
	for i, n := range sizes {
		should[fileName(i)] = entry{any: []piece{fileOf(account, fileName(i), n)}}
	}
	disk, err := onDisk(dir)
	if err == nil {
		_, err = should.match(disk)
	}
	if err != nil {
		return fmt.Errorf("the home %s: %w", dir, err)
	}
	return nil
}

// repeat asks again for an account whose making was cut short, which must then
// be made.
func (a *administrator) repeat(done bool) error {
	c := a.pending
	a.pending, a.acked, a.history = nil, nil, nil
	if c == nil || done || c.kind != created {
		return nil
	}
	if err := a.do(*c); err != nil {
		return fmt.Errorf("once more: %s: %w", c, err)
	}
	a.staff = a.staff.after(*c)
	return nil
}

// trail adds the events that must be there, and those that may, by kind and
// account.
func (a *administrator) trail(must, may map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.acked {
		must[c.event()]++
	}
	if a.pending != nil {
		may[a.pending.event()]++
	}
}

// event is the kind and account of the event that a change leaves; that of a
// file is durable only within the second.
func (c change) event() string {
	switch c.kind {
	case filled:
		return ""
	case formed, dissolved, settled:
		return c.kind + " "
	}
	return c.kind + " " + c.who
}
