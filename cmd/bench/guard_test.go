package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The floor is this program in another process.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == floorCommand {
		if err := serveFloor(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// guardSizes let each sample take a tenth of a second or so.
var guardSizes = sizes{large: 96 << 20, files: 1000, entries: 5000, conns: 8, requests: 16, logins: 40}

// The gateway's processor time stays within a few times that of the least code
// that does the same work, in the same run: the limits are about twice what a
// quiet machine has, and one round of several within them is enough. What a
// change made several times as expensive does not pass.
func TestStaysNearTheFloor(t *testing.T) {
	limits := map[string]float64{
		"sftp-up": 2.5, "sftp-down": 2.5, "sftp-small-put": 5, "sftp-small-get": 4, "sftp-stat": 3.5, "sftp-list": 3.5, "sftp-login": 4,
		"ftp-up": 3, "ftp-down": 3, "ftp-small-put": 6, "ftp-small-get": 5, "ftp-list": 4, "ftp-mlsd": 4,
		"dav-up": 2.5, "dav-down": 3, "dav-small-put": 5, "dav-small-get": 6, "dav-propfind-1": 1, "dav-propfind-0": 4, "dav-range": 4,
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	f := guardFarm(t)
	works := f.guardWorks(guardSizes)
	if err := f.begin(ctx, guardSizes, works); err != nil {
		t.Fatal(err)
	}
	m := &match{farm: f, log: f.log}
	const rounds = 4
	for _, w := range works {
		limit := limits[w.name]
		o := newOutcome(w, inMemory)
		best := 0.0
		for round := range rounds {
			m.turn(ctx, o, round+1, 0)
			for name, err := range o.failed {
				t.Fatalf("%s on %s: %v", w.name, name, err)
			}
			ours, floor := o.samples[gatewayName], o.samples[floorName]
			if len(ours) <= round || len(floor) <= round {
				t.Fatalf("%s: %v", w.name, context.Cause(ctx))
			}
			ratio := cpu.value(ours[round]) / cpu.value(floor[round])
			if round == 0 || ratio < best {
				best = ratio
			}
			if best <= limit {
				break
			}
		}
		t.Logf("%-15s %.2f of the floor, at most %.1f", w.name, best, limit)
		if best > limit || math.IsNaN(best) {
			t.Errorf("%s costs %.1f times what the least code does, and may cost %.1f times", w.name, best, limit)
		}
	}
}

// guardFarm has the gateway as it is in this tree, and no peers.
func guardFarm(t *testing.T) *farm {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "gatehouse")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "gatehouse/cmd/gatehouse").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	g, err := openGroups()
	if err != nil {
		g = nil
	}
	data, err := folder("/dev/shm")
	if err != nil {
		data = t.TempDir()
	}
	f, err := newFarm(t.TempDir(), data, binary, g, log)
	t.Cleanup(func() {
		if f != nil {
			if err := f.close(); err != nil {
				t.Error(err)
			}
		}
		if err := g.close(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// guardWorks need no stock client and no peer.
func (f *farm) guardWorks(z sizes) []*work {
	var works []*work
	for _, w := range f.works(z) {
		if w.unit == operations {
			w.servers = nil
			works = append(works, w)
		}
	}
	for door, dial := range map[string]dialer{"sftp": f.anySFTP, "ftp": f.anyFTP, "dav": f.anyDAV} {
		works = append(works,
			&work{name: door + "-up", unit: gibibytes, run: f.alone(dial, func(s session) error { return s.upload(uploaded, z.large) }, z)},
			&work{name: door + "-down", unit: gibibytes, prepare: f.holdsBig, run: f.alone(dial, func(s session) error { return s.download(bigFile, z.large) }, z)})
	}
	return works
}

// alone measures one transfer of one client of ours.
func (f *farm) alone(dial dialer, do func(session) error, z sizes) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		s, err := dial(ctx, m.server)
		if err != nil {
			return err
		}
		defer s.close()
		if err := m.begin(ctx); err != nil {
			return err
		}
		if err := do(s); err != nil {
			return err
		}
		return m.end(ctx, inGiB(z.large))
	}
}
