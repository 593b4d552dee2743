package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The crowd is 64 writers over all doors, of two accounts, in folders with nested
// quotas: the account's, which is less than those of its teams together, the
// team's, which is less than what its writers would store, and one of each
// writer's on a folder within its own, into and out of which it moves things.
const (
	crowdSize = 64
	hasty     = "erna"  // uploads in place
	tidy      = "fritz" // all uploads are atomic
	teams     = 2       // of each account
	box       = "in"    // the writer's folder that has a quota of its own
)

// crowded are the crowd's quotas, by folder.
func crowded() map[string]figure {
	quotas := map[string]figure{}
	for _, account := range []string{hasty, tidy} {
		home := "/home/" + account
		quotas[home] = figure{LimitBytes: 6_000_000, LimitFiles: 700}
		for team := range teams {
			folder := fmt.Sprintf("%s/t%d", home, team)
			quotas[folder] = figure{LimitBytes: 3_600_000 - int64(team)*1_000_000, LimitFiles: 400}
			for i := range crowdSize / 2 / teams {
				quotas[fmt.Sprintf("%s/w%d/%s", folder, i, box)] = figure{LimitBytes: 150_001, LimitFiles: 6}
			}
		}
	}
	return quotas
}

// gather adds the crowd to a load.
func (l *load) gather() {
	l.t.Helper()
	l.quotas = crowded()
	for account, uploads := range map[string]string{hasty: "in-place", tidy: "atomic"} {
		q := l.quotas["/home/"+account]
		l.node.must(http.MethodPost, "/accounts", map[string]any{
			"username": account, "password": accountPassword, "keys": []string{l.line()}, "uploads": uploads,
			"quota": map[string]any{"limit_bytes": q.LimitBytes, "limit_files": q.LimitFiles},
		}, nil)
	}
	for folder, q := range l.quotas {
		l.mkdir(folder[1:])
		if strings.Count(folder, "/") > 2 {
			l.node.must(http.MethodPut, "/quotas", map[string]any{"path": folder, "limit_bytes": q.LimitBytes, "limit_files": q.LimitFiles}, nil)
		}
	}
	doors := []string{"SFTP", "FTP", "WebDAV"}
	for i := range crowdSize {
		account := []string{hasty, tidy}[i%2]
		l.writers = append(l.writers, l.newCrowdWriter(account, doors[i%3], i/2%teams, i/2/teams))
	}
}

func (l *load) newCrowdWriter(account, door string, team, i int) *writer {
	w := l.newWriterAt(account, door, fmt.Sprintf("/t%d/w%d", team, i))
	w.steps.large, w.steps.kept, w.steps.many = 300_000, box, 15
	w.holds = holdings{box: entry{folder: true}}
	return w
}

// duration is how long the crowd works: GATEHOUSE_LOAD, such as 10m.
func duration(t *testing.T) time.Duration {
	t.Helper()
	if d, err := time.ParseDuration(os.Getenv("GATEHOUSE_LOAD")); err == nil {
		return d
	}
	return 8 * time.Second
}

// Whatever 64 writers do over all doors at once under nested quotas, what is
// stored passes no limit, by no byte and no file, at no moment: the process is
// stopped at any of them, and the disk read while it stands still. In the end
// the quotas say what is on disk, and nothing is staged.
func TestQuotasHoldUnderLoad(t *testing.T) {
	_, seed := rounds(t)
	random := rand.New(rand.NewPCG(seed, 1))
	gateway := newNode(t, filepath.Join(t.TempDir(), "data"))
	gateway.start()
	l := newLoad(t, gateway, seed)
	l.gather()
	l.sow(seed)
	l.begin()
	l.worked(100)
	samples, full := 0, 0
	end := time.Now().Add(duration(t))
	slow := end.Add(2 * patience) // a machine on which limits are not reached sooner
	reached := func() bool { return full > 0 && l.refused.Load() > 0 }
	for ; !t.Failed() && (time.Now().Before(end) || !reached() && time.Now().Before(slow)); samples++ {
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
		if gateway.still(l.sample) {
			full++
		}
	}
	l.end()
	l.verify()
	l.verifyNothingStaged()
	l.verifyRoom()
	t.Logf("%d steps, %d of them refused for want of room; %d samples, %d of them with a shared quota full to the last 2 %%",
		l.steps.Load(), l.refused.Load(), samples, full)
	if !reached() {
		t.Error("no limit was ever reached: the load shows nothing")
	}
	gateway.stop()
	for _, line := range gateway.complaints() {
		t.Errorf("logged: %s", line)
	}
}

// still looks at something while the gateway stands still.
func (n *node) still(look func() bool) bool {
	n.t.Helper()
	pid := n.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	for deadline := time.Now().Add(patience); !stands(pid); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			n.t.Fatal("the gateway does not stand still")
		}
	}
	return look()
}

// stands reports whether every thread of a process is stopped.
func stands(pid int) bool {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	for _, name := range threads {
		text, readErr := os.ReadFile(name)
		_, state, found := strings.Cut(string(text), ") ")
		if readErr != nil || !found || state[0] != 'T' {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

// sample compares what is stored with the limits, and reports whether it came
// near one that several writers share.
func (l *load) sample() (near bool) {
	l.t.Helper()
	limits := l.quotas
	limits["/home/"+tight] = figure{LimitBytes: tightBytes, LimitFiles: tightFiles}
	for folder, q := range limits {
		bytes, files, err := stored(l.node.files(folder))
		if err != nil {
			l.t.Errorf("sample %s: %v", folder, err)
		}
		if over(q.LimitBytes, bytes) || over(q.LimitFiles, files) {
			l.t.Errorf("%s holds %d bytes in %d files, and may hold %d in %d", folder, bytes, files, q.LimitBytes, q.LimitFiles)
		}
		near = near || !strings.HasSuffix(folder, box) && bytes > q.LimitBytes/100*98
	}
	return near
}
