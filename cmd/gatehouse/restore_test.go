package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A backup is made while everybody works. Restored into an empty folder, beside
// a copy of the files as they came to be, it is the gateway of one moment of the
// backup: each administrator's changes up to one of them, with their events, and
// nothing of those after it; and quotas that say what is on disk, also of the
// account that wrote nothing until the backup was made.
func TestBackupUnderLoad(t *testing.T) {
	_, seed := rounds(t)
	dir := t.TempDir()
	gateway := newNode(t, filepath.Join(dir, "data"))
	gateway.start()
	l := newLoad(t, gateway, seed)
	late := l.newWriter("dora", "SFTP")
	gateway.must(http.MethodPost, "/accounts", map[string]any{"username": "dora", "keys": []string{l.line()}, "quota": map[string]any{"limit_files": 5000}}, nil)
	l.mkdir("home/dora/sftp")
	late.steps.random = seeded(seed, 300)

	l.begin()
	l.worked(150)
	since := l.done()
	gateway.cli("backup", filepath.Join(dir, "state.backup"), "--passphrase-file", l.passphrase(dir))
	until := l.done()
	l.writers = append(l.writers, late)
	l.spawn(late.work)
	l.worked(l.steps.Load() + 150)
	l.end()
	gateway.stop()
	if t.Failed() {
		return
	}

	restored := newNode(t, filepath.Join(dir, "restored"))
	restored.cli("restore", filepath.Join(dir, "state.backup"), "--passphrase-file", l.passphrase(dir))
	if err := os.CopyFS(restored.files("/"), os.DirFS(gateway.files("/"))); err != nil {
		t.Fatal(err)
	}
	restored.start()
	l.use(restored)
	l.verifyStart()
	l.verifyMoment(since, until)
	for _, w := range l.writers {
		if err := w.verify(restored.files("home/" + w.account + w.folder)); err != nil {
			t.Error(err)
		}
	}
	l.verifyQuotas()
	l.verifyRoom()

	l.admins = nil // their homes are not those of the moment
	l.begin()
	l.worked(100)
	l.end()
	restored.stop()
	for _, line := range append(gateway.complaints(), restored.complaints()...) {
		t.Errorf("logged: %s", line)
	}
}

// cli runs a command on the node's data folder.
func (n *node) cli(args ...string) {
	n.t.Helper()
	binary, err := exec.LookPath("gatehouse")
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.CommandContext(n.t.Context(), binary, args...)
	cmd.Env = n.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("gatehouse %v: %v\n%s", args, err, out)
	}
}

func (l *load) passphrase(dir string) string {
	l.t.Helper()
	name := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(name, []byte("correct horse battery\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return name
}

// done is how many changes each administrator has got acknowledged.
func (l *load) done() []int {
	var list []int
	for _, a := range l.admins {
		list = append(list, a.done())
	}
	return list
}

// use turns everybody to another gateway.
func (l *load) use(n *node) {
	l.node = n
	for _, a := range l.admins {
		a.node = n
	}
}

// verifyMoment finds the moment that a backup was made of: of each
// administrator at least the changes that were acknowledged before it was asked
// for, and at most one more than those when it was written.
func (l *load) verifyMoment(since, until []int) {
	l.t.Helper()
	must, may := map[string]int{}, map[string]int{}
	for i, a := range l.admins {
		moments, err := a.moments(since[i], until[i]+1)
		if err != nil {
			l.t.Fatal(err)
		}
		at := moments[len(moments)-1]
		l.t.Logf("the backup has %v of %d changes; %d to %d were acknowledged meanwhile", moments, len(a.acked), since[i], until[i])
		for n, c := range a.acked {
			switch {
			case n < since[i]:
				must[c.event()]++
			case n <= at:
				may[c.event()]++
			}
		}
		a.staff = append(a.history, a.staff)[at]
		for _, n := range moments {
			if n < len(a.acked) {
				a.underWay = append(a.underWay, a.acked[n])
			}
		}
	}
	l.verifyEvents(must, may)
}

// moments are after how many of its changes the gateway's knowledge would be an
// administrator's: several, where some undo each other.
func (a *administrator) moments(since, until int) ([]int, error) {
	is, err := a.present()
	if err != nil {
		return nil, err
	}
	var found []int
	worlds := append(a.history, a.staff)
	for n := since; n <= min(until, len(a.acked)); n++ {
		if worlds[n].known() == is.known() {
			found = append(found, n)
		}
	}
	if found == nil {
		err = fmt.Errorf("at no moment from %d to %d changes: the gateway knows %s; at first it was %s", since, until, is.known(), worlds[since].known())
	}
	return found, err
}

// verifyEvents compares the events of changes since the load began with those
// that must be there and those that may be there besides.
func (l *load) verifyEvents(must, may map[string]int) {
	l.t.Helper()
	delete(must, "") // files
	delete(may, "")
	found, err := l.events("account.", "group.", "site.")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(must)) {
		if n := found[key]; n < must[key] {
			l.t.Errorf("%d events of %q, of %d acknowledged changes", n, key, must[key])
		}
	}
	for key, n := range found {
		if n > must[key]+may[key] {
			l.t.Errorf("%d events of %q, of %d acknowledged and %d unanswered changes", n, key, must[key], may[key])
		}
	}
}

// A gateway is killed again and again as it starts for the first time: it comes
// up in the end, with the administrator that was asked for and nothing half made.
func TestKillFirstStart(t *testing.T) {
	n, seed := rounds(t)
	random := seeded(seed, 400)
	for range max(1, n/5) {
		gateway := newNode(t, filepath.Join(t.TempDir(), "data"))
		for range 6 {
			gateway.startAndKill(time.Duration(random.IntN(250)) * time.Millisecond)
		}
		gateway.start()
		for range 2 {
			c, err := overDAV(gateway.addr["HTTP"], "admin", "", adminPassword)
			if err != nil {
				t.Fatalf("the first administrator: %v", err)
			}
			c.close()
			gateway.stop()
			gateway.start()
		}
		gateway.stop()
	}
}
