package migrate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/installation"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state/bolt"
)

// filesOf are the names in a folder; none where it is not there.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// An empty store that a migration leaves behind would be served as an empty gateway,
// and is in the way of the next one: what is refused, or fails, leaves nothing in the
// data folder, be it there or not.
func TestWhatFailsLeavesNoState(t *testing.T) {
	c, server := configured(t, 700)
	if _, err := Run(t.Context(), there(c)); err != nil {
		t.Fatal(err)
	}
	s := stateOf(t, c)
	for name, fail := range map[string]func(o *Options) (undo func()){
		"a gateway runs": func(*Options) func() {
			n := join(t, nodes.Config{State: s, Node: "first", Epoch: "1", Place: "here"})
			return func() {
				if err := n.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		},
		"nothing is there": func(o *Options) func() { o.Config.State.URL += "/1"; return func() {} },
		"another key":      func(o *Options) func() { o.Config.SecretKey = strings.Repeat("cd", 32); return func() {} },
		"it breaks off": func(*Options) func() {
			was := server.Do(t, "HGET", "gh:{scope0}:r", "5")
			server.Do(t, "HSET", "gh:{scope0}:r", "5", "no record")
			return func() { server.Do(t, "HSET", "gh:{scope0}:r", "5", was) }
		},
	} {
		for _, made := range []bool{false, true} {
			o := back(c)
			o.Config.Data = filepath.Join(t.TempDir(), "data")
			if made {
				if err := errors.Join(os.Mkdir(o.Config.Data, 0o700), os.WriteFile(filepath.Join(o.Config.Data, "node"), nil, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			before := filesOf(t, o.Config.Data)
			undo := fail(&o)
			if report, err := Run(t.Context(), o); err == nil {
				t.Errorf("%s: %+v", name, report)
			}
			if left := filesOf(t, o.Config.Data); !slices.Equal(left, before) {
				t.Errorf("%s: it leaves %q, there was %q", name, left, before)
			}
			if _, err := os.Stat(o.Config.Data); !made && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: a data folder was made: %v", name, err)
			}
			undo()
			again := back(c)
			again.Config.Data = o.Config.Data
			if _, err := Run(t.Context(), again); err != nil {
				t.Errorf("%s, and again when it is well: %v", name, err)
			}
		}
	}
}

// A hot backup of running nodes remembers them. Brought back and moved to a Redis it
// can be moved again, as anything else, which compares; a gateway that has been there
// since is in the way.
func TestAHotBackupIsMovedTwice(t *testing.T) {
	c, _ := configured(t, 10)
	running := stateOf(t, c)
	n := join(t, nodes.Config{State: running, Node: "first", Epoch: "1", Place: "here", Lease: time.Second})
	c.Data = t.TempDir()
	restored, err := bolt.Open(c.Data, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(restored.Load(t.Context(), running.Dump(t.Context())), restored.Close(), n.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	c.State.URL += "/1"
	went, err := Run(t.Context(), there(c))
	if err != nil {
		t.Fatal(err)
	}
	target := stateOf(t, c)
	for began := time.Now(); !look(t, target)[0].LastBeat.IsZero(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("its last beat does not end")
		}
	}
	again, err := Run(t.Context(), there(c))
	if err != nil || again.Sum != went.Sum {
		t.Errorf("again: %+v, %v; want %+v", again.Sum, err, went.Sum)
	}
	since := join(t, nodes.Config{State: target, Node: "second", Epoch: "1", Place: "there", Lease: time.Second})
	if err := since.Abandon(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, there(c), "second ended without giving back what it held")
}

// A data folder that has served another installation would not start with this state.
func TestADataFolderOfAnotherInstallation(t *testing.T) {
	c, _ := configured(t, 10)
	s, err := bolt.Open(c.Data, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	i, err := installation.Open(t.Context(), s, "")
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), there(c)); err != nil {
		t.Fatal(err)
	}
	o := back(c)
	o.Config.Data = t.TempDir()
	if err := installation.Remember(o.Config.Data, "another"); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, installation.ErrForeign) {
		t.Errorf("got %v, want ErrForeign", err)
	}
	if err := installation.Remember(o.Config.Data, i.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// What a node keeps in its data folder until Redis is back is not moved: that is said.
func TestEventsThatAreNotInTheTrailAreSaid(t *testing.T) {
	c, _ := configured(t, 10)
	folder := filepath.Join(c.Data, "spool-first")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), there(c))
	if err != nil || !strings.Contains(strings.Join(report.Notes, "\n"), folder) {
		t.Errorf("got %q, %v", report.Notes, err)
	}
}
