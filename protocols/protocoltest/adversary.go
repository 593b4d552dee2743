package protocoltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var adversaryCases = []testCase{
	{name: "adversary/links out of the root", run: swapped("")},
	{name: "adversary/links to another account", run: swapped("../bob/d")},
}

// swapped is a case in which somebody with access to the disk swaps a folder of
// ann's for a link, back and forth, while she works in it: nothing that the
// link leads to is ever read, listed, written or changed. An empty target is a
// folder outside the mount.
func swapped(target string) func(*suite) {
	return func(s *suite) {
		ann := s.enter(s.Add("ann"))
		s.Add("bob")
		forbidden := s.OnDisk("/home/bob/d")
		if target == "" {
			forbidden = s.T.TempDir()
			target = forbidden
		}
		for dir, content := range map[string]string{s.OnDisk("/home/ann/d"): "own", forbidden: secret} {
			s.must(os.MkdirAll(dir+"/sub", 0o755))
			s.must(os.MkdirAll(dir+"/empty", 0o755))
			for _, name := range []string{"/f", "/g", "/sub/f"} {
				s.must(os.WriteFile(dir+name, []byte(content), 0o644))
			}
		}
		s.must(os.WriteFile(forbidden+"/bait", []byte(secret), 0o644))
		s.Link(target, "/home/ann/link")
		before := fmt.Sprint(Files(s.T, forbidden))
		stop := s.swap("/home/ann", "d", "link")
		total := 1000 // at a door: what a session does by itself is asked more often
		if s.door.Bare {
			total = 10_000
		}
		if testing.Short() || s.several() { // what one node has been asked others need not be asked as often
			total = 500
		}
		ann.work(total)
		stop()
		if now := fmt.Sprint(Files(s.T, forbidden)); now != before {
			s.T.Errorf("what the link leads to has changed:\nfrom %s\nto   %s", before, now)
		}
	}
}

const secret = "secret of somebody else"

// swap exchanges two names of a folder on disk, for ever, until stop.
func (s *suite) swap(folder, one, two string) (stop func()) {
	s.T.Helper()
	dir, err := unix.Open(s.OnDisk(folder), unix.O_PATH|unix.O_CLOEXEC, 0)
	s.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			for range 2 { // ends as it began
				if err := unix.Renameat2(dir, one, dir, two, unix.RENAME_EXCHANGE); err != nil {
					s.T.Errorf("the adversary: %v", err)
					return
				}
				time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond) // lets the one under attack breathe on few cores
			}
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = unix.Close(dir)
	})
}

// enough is how long a client works where the adversary takes most of the machine.
const enough = time.Minute

// work does everything that a client can, below /d; whether it succeeds does
// not matter.
func (v *visitor) work(total int) {
	v.s.T.Helper()
	ops := []func(){
		func() { v.spies(v.get("/d/f")) },
		func() { v.spies(v.get("/d/sub/f")) },
		func() { _ = v.put("/d/f", "own") },
		func() { _ = v.put("/d/new", "own") },
		func() { _ = v.put("/d/sub/new", "own") },
		func() { _ = v.put("/d/sub/f", "own") },
		func() { _ = v.Mkdir("/d/made") },
		func() { _ = v.RemoveDir("/d/made") },
		func() { _ = v.RemoveDir("/d/empty") },
		func() { _ = v.Mkdir("/d/empty") },
		func() { _ = v.Remove("/d/new") },
		func() { _ = v.Remove("/d/sub/new") },
		func() { _ = v.Rename("/d/g", "/d/sub/g") },
		func() { _ = v.Rename("/d/sub/g", "/d/g") },
		func() { _ = v.Rename("/d/f", "/mine"); v.spies(v.get("/mine")); _ = v.Rename("/mine", "/d/f") },
		func() { _ = v.Rename("/d/sub", "/sub"); _ = v.Rename("/sub", "/d/sub") },
		func() {
			if names, err := v.names("/d"); err == nil && slices.Contains(names, "bait") {
				v.s.T.Errorf("listed %q through a link", names)
			}
		},
		func() {
			if e, err := v.stat("/d/sub/f"); err == nil && e.Size == int64(len(secret)) {
				v.s.T.Error("described a file through a link")
			}
		},
	}
	began := time.Now()
	for i := 0; i < total && !v.s.T.Failed() && time.Since(began) < enough; i++ {
		ops[i%len(ops)]()
	}
}

func (v *visitor) spies(got string, err error) {
	if strings.Contains(got, "secret") {
		v.s.T.Errorf("read %q through a link (%v)", got, err)
	}
}
