package guard_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/events"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/traffic"
)

// metered bounds what a user moves.
func metered(t *testing.T, l policy.Limits) option {
	node := traffic.New(memory.New(), "n/1")
	return func(a *policy.Account, c *guard.Config) {
		a.Limits = l
		c.Traffic = node.Join(a.ID)
		t.Cleanup(func() {
			if err := node.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func isSpent(err error, rule policy.Rule) bool {
	var d *guard.DeniedError
	return errors.As(err, &d) && d.Rule == rule
}

// Whichever way bytes take through a handle, a day's allowance ends them at its
// last byte, and who had just as much as was allowed sees a file that ends.
func TestADayEndsEveryTransferAtItsLastByte(t *testing.T) {
	const day = 100_000
	content := bytes.Repeat([]byte("x"), day+1)
	ways := []struct {
		name string
		move func(t *testing.T, u *user, n int) (int64, error)
	}{
		{"WriteAt", func(t *testing.T, u *user, n int) (int64, error) {
			f := createFile(u, "/f")
			defer f.Close()
			done, err := f.WriteAt(content[:n], 0)
			return int64(done), err
		}},
		{"CopyFrom a stream", func(t *testing.T, u *user, n int) (int64, error) {
			f := createFile(u, "/f")
			defer f.Close()
			return f.CopyFrom(bytes.NewReader(content[:n]), 0)
		}},
		{"CopyFrom a connection", func(t *testing.T, u *user, n int) (int64, error) {
			f := createFile(u, "/f")
			defer f.Close()
			near, far := connected(t)
			go func() {
				far.Write(content[:n])
				far.Close()
			}()
			return f.CopyFrom(near, 0)
		}},
		{"ReadAt", func(t *testing.T, u *user, n int) (int64, error) {
			f := openFile(u, n)
			defer f.Close()
			done, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, 1<<30))
			return done, err
		}},
		{"CopyTo a stream", func(t *testing.T, u *user, n int) (int64, error) {
			f := openFile(u, n)
			defer f.Close()
			return f.CopyTo(io.Discard, 0, -1)
		}},
		{"CopyTo a connection", func(t *testing.T, u *user, n int) (int64, error) {
			f := openFile(u, n)
			defer f.Close()
			near, far := connected(t)
			go io.Copy(io.Discard, far)
			return f.CopyTo(near, 0, -1)
		}},
	}
	for _, way := range ways {
		for _, c := range []struct {
			n     int
			spent bool
		}{{day, false}, {day + 1, true}} {
			w := newWorld(t)
			u := w.user("u", metered(t, policy.Limits{BytesPerDay: day}))
			n, err := way.move(t, u, c.n)
			if n != day || isSpent(err, policy.RuleBytesPerDay) != c.spent || !c.spent && err != nil {
				t.Errorf("%s of %d bytes: %d, %v", way.name, c.n, n, err)
			}
			if !c.spent {
				continue
			}
			list := u.take()
			if last := list[len(list)-1]; last.Kind == events.Upload && (last.Rule != string(policy.RuleBytesPerDay) || last.Outcome != events.Denied) {
				t.Errorf("%s: the event says %q, %q", way.name, last.Outcome, last.Rule)
			}
			// All of it is gone: neither direction has a byte left, and no file is opened.
			w.put("/home/u/there", "x")
			for _, how := range []guard.Open{{Read: true}, {Write: true}, {Write: true, Create: true, Truncate: true}} {
				if _, err := u.Open(t.Context(), tp("/there"), how); !isSpent(err, policy.RuleBytesPerDay) {
					t.Errorf("%s: opening %+v once the day is spent: %v", way.name, how, err)
				}
			}
			if got := w.content("/home/u/there"); got != "x" {
				t.Errorf("%s: the refused opening left %q", way.name, got)
			}
		}
	}
}

// An upload that says beforehand that it is more than what is left is refused
// before a byte of it came in, and takes nothing of the day.
func TestAnAnnouncedUploadBeyondTheDayIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	u := w.user("u", metered(t, policy.Limits{BytesPerDay: 1000}))
	w.put("/home/u/f", "old")
	how := guard.Open{Write: true, Create: true, Truncate: true, Size: 1001}
	if _, err := u.Open(t.Context(), tp("/f"), how); !isSpent(err, policy.RuleBytesPerDay) || w.content("/home/u/f") != "old" {
		t.Errorf("%v, and the file holds %q", err, w.content("/home/u/f"))
	}
	how.Size = 1000
	f, err := u.Open(t.Context(), tp("/f"), how)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.WriteAt(make([]byte, 1000), 0); n != 1000 || err != nil {
		t.Errorf("of what was announced and fits: %d, %v", n, err)
	}
}

func TestWhatIsNotMovedIsNotCounted(t *testing.T) {
	w := newWorld(t)
	u := w.user("u", metered(t, policy.Limits{BytesPerDay: 1000}))
	f := openFile(u, 10)
	defer f.Close()
	buffer := make([]byte, 900)
	for range 50 { // 500 bytes in all, of 45,000 asked for
		if n, err := f.ReadAt(buffer, 0); n != 10 || err != io.EOF {
			t.Fatal(n, err)
		}
	}
	if n, err := createFile(u, "/rest").WriteAt(make([]byte, 501), 0); n != 500 || !isSpent(err, policy.RuleBytesPerDay) {
		t.Errorf("of the other 500 bytes %d were left, %v", n, err)
	}
}

// Who waits for its turn goes on where the limit is taken away, and is cut with
// its session.
func TestWhoWaitsForItsRateFollowsThePolicy(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(u *user)
		cut  bool
	}{
		{"the limit is taken away", func(u *user) { u.change(func(a *policy.Account) { a.Limits = policy.Limits{} }) }, false},
		{"the session ends", func(u *user) { u.Close(errors.New("ended")) }, true},
	} {
		w := newWorld(t)
		u := w.user("u", metered(t, policy.Limits{UploadRate: 1, OpsPerSecond: 1}))
		f := createFile(u, "/f")
		defer f.Close()
		wrote, listed := make(chan error, 1), make(chan error, 1)
		go func() {
			// The first piece passes ahead of the rate, the second would wait for hours.
			_, err := f.WriteAt(make([]byte, 1<<20), 0)
			wrote <- err
		}()
		go func() {
			for {
				if _, err := u.Stat(context.Background(), tp("/f")); err != nil || c.then == nil {
					listed <- err
					return
				}
			}
		}()
		c.then(u)
		if err := <-wrote; (err != nil) != c.cut {
			t.Errorf("%s: a write that waited ended with %v", c.name, err)
		}
		if !c.cut {
			u.Close(nil)
		}
		if err := <-listed; err == nil {
			t.Errorf("%s: operations went on after the session", c.name)
		}
	}
}

func createFile(u *user, p string) *guard.File {
	u.w.t.Helper()
	f, err := u.Open(u.w.t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true})
	if err != nil {
		u.w.t.Fatal(err)
	}
	return f
}

// openFile opens a file of so many bytes, which is there.
func openFile(u *user, n int) *guard.File {
	u.w.t.Helper()
	u.w.put("/home/u/big", strings.Repeat("x", n))
	f, err := u.Open(u.w.t.Context(), tp("/big"), guard.Open{Read: true})
	if err != nil {
		u.w.t.Fatal(err)
	}
	return f
}

func connected(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far = <-accepted
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return near, far
}

// An attempt to log in that is refused has been judged by the account as it was
// before its password was hashed: what was changed meanwhile stands.
func TestARefusedAttemptUndoesNoLimit(t *testing.T) {
	w := newWorld(t)
	node := traffic.New(memory.New(), "n/1")
	var in *traffic.Session
	u := w.user("u", func(a *policy.Account, c *guard.Config) {
		in = node.Join(a.ID)
		c.Traffic = in
	})
	before := u.effective()
	u.change(func(a *policy.Account) { a.Limits.BytesPerDay = 100 })
	refused := w.tree.FS(guard.Config{Effective: before, Door: policy.SFTP, Traffic: node.Join(before.Account().ID)})
	refused.Close(context.Canceled)
	if !in.Bounded() {
		t.Error("the limit is gone")
	}
}

// What an account without limits pays for being asked whether it has any, beside
// one that is not even asked.
func BenchmarkReadAt(b *testing.B) {
	for _, c := range []struct {
		name   string
		limits *policy.Limits
	}{{"not asked", nil}, {"unlimited", &policy.Limits{}}, {"limited", &policy.Limits{DownloadRate: 1 << 50, BytesPerDay: 1 << 60}}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b)
			w.put("/home/u/f", strings.Repeat("x", 4096))
			u := w.user("u", func(a *policy.Account, g *guard.Config) {
				if c.limits == nil {
					return
				}
				a.Limits = *c.limits
				g.Traffic = traffic.New(memory.New(), "n/1").Join(a.ID)
			})
			f, err := u.Open(b.Context(), tp("/f"), guard.Open{Read: true})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			buf := make([]byte, 4096)
			for b.Loop() {
				if _, err := f.ReadAt(buf, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
