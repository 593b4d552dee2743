package backup

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/memory"
)

const pass = "correct horse battery staple"

// cheap is a cost for tests; TestBackupUnderLoad pays the real one.
var cheap = cost{passes: 1, memory: 64, threads: 1}

func openBolt(dir string) (state.Store, error) { return bolt.Open(dir, bolt.Options{}) }

func number(n int64) *int64 { return &n }

// fill puts something of each kind in a store.
func fill(t *testing.T, s state.Store) {
	t.Helper()
	for i := range 300 {
		b := state.Batch{Scope: fmt.Sprint("scope", i%3), Puts: []state.Put{{
			Name: fmt.Sprintf("name%d\xff\x00", i), Value: []byte(strings.Repeat("a secret value ", i)),
		}}}
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), "events", "", fmt.Appendf(nil, "event %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	lease := state.Lease{Name: "/home", Holder: "node", SetLimit: number(100), SetUsed: number(7), Want: 5}
	if _, err := s.Count(t.Context(), "quota", lease); err != nil {
		t.Fatal(err)
	}
}

func dump(t *testing.T, s state.Store) []state.Item {
	t.Helper()
	var items []state.Item
	for i, err := range s.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		i.Value = append([]byte{}, i.Value...)
		items = append(items, i)
	}
	return items
}

func files(t *testing.T) []File {
	t.Helper()
	dir := t.TempDir()
	var all []File
	for _, name := range []string{"secret.key", "keys/ssh_host_ed25519_key"} {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte("the content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, File{Name: name, Path: path})
	}
	return all
}

// sample is a backup of a filled store, and what was in it.
func sample(t *testing.T) (container []byte, items []state.Item) {
	t.Helper()
	s := memory.New()
	fill(t, s)
	var out bytes.Buffer
	if _, err := write(t.Context(), &out, pass, cheap, Source{State: s, Files: files(t), Program: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), dump(t, s)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	container, items := sample(t)
	for _, secret := range []string{"secret value", "content of", "events", "scope1"} {
		if bytes.Contains(container, []byte(secret)) {
			t.Errorf("%q can be read in the backup", secret)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	sum, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, openBolt)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Program != "1.2.3" || sum.Records != 300 || sum.Entries != 300 || sum.Counts != 1 || sum.Scopes != 4 || len(sum.Files) != 2 {
		t.Errorf("restored %+v", sum)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"events", "keys", "secret.key", "state.db"}) {
		t.Errorf("the folder has %q", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, "keys/ssh_host_ed25519_key"))
	if err != nil || string(text) != "the content of keys/ssh_host_ed25519_key" {
		t.Errorf("the key is %q, %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "secret.key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	s, err := openBolt(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, s); !reflect.DeepEqual(got, items) {
		t.Errorf("%d items differ from the %d written", len(got), len(items))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	verified, err := Verify(t.Context(), bytes.NewReader(container), pass)
	if err != nil || !reflect.DeepEqual(verified, sum) {
		t.Errorf("verified %+v, %v", verified, err)
	}
}

func TestPassphrases(t *testing.T) {
	container, _ := sample(t)
	for _, wrong := range []string{"", "wrong wrong wrong", pass + " "} {
		dir := t.TempDir()
		if _, err := Restore(t.Context(), bytes.NewReader(container), wrong, dir, openBolt); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("left %q", left)
		}
	}
	for _, short := range []string{"", "1234567"} {
		var out bytes.Buffer
		if _, err := Write(t.Context(), &out, short, Source{State: memory.New()}); err == nil || out.Len() > 0 {
			t.Errorf("%q was taken", short)
		}
	}
}

// The disk of the backups went bad, or the copy broke off: nothing is restored.
func TestDamagedBackupsLeaveNothing(t *testing.T) {
	container, _ := sample(t)
	changed := bytes.Clone(container)
	changed[len(changed)-1] ^= 1
	for name, bad := range map[string][]byte{
		"cut in the header": container[:20],
		"cut in the middle": container[:len(container)/2],
		"cut at the end":    container[:len(container)-1],
		"changed":           changed,
		"longer":            append(bytes.Clone(container), 0),
	} {
		dir := t.TempDir()
		_, err := Restore(t.Context(), bytes.NewReader(bad), pass, dir, openBolt)
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotBackup) {
			t.Errorf("%s: %v", name, err)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("%s: left %q", name, left)
		}
		if _, err := Verify(t.Context(), bytes.NewReader(bad), pass); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

func TestOnlyAnEmptyFolderIsRestoredInto(t *testing.T) {
	container, _ := sample(t)
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, openBolt); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("restored into a folder with a file: %v", err)
	}
	if left := names(t, dir); !slices.Equal(left, []string{"mine"}) {
		t.Errorf("it has %q", left)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, openBolt); err != nil {
		t.Errorf("a fresh file system: %v", err)
	}
	if _, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, openBolt); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("restored twice: %v", err)
	}
}

func TestFailuresAtTheWayLeaveNothing(t *testing.T) {
	container, _ := sample(t)
	broken := errors.New("the disk is full")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, restore := range map[string]func(dir string) error{
		"the store does not open": func(dir string) error {
			_, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, func(string) (state.Store, error) { return nil, broken })
			return err
		},
		"the store does not load": func(dir string) error {
			_, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, func(dir string) (state.Store, error) {
				s, err := openBolt(dir)
				if err == nil {
					_, err = s.Append(t.Context(), "x", "", []byte("e"))
				}
				return s, err
			})
			return err
		},
		"the store stops in between": func(dir string) error {
			_, err := Restore(t.Context(), bytes.NewReader(container), pass, dir, func(string) (state.Store, error) {
				return lazy{memory.New()}, nil
			})
			return err
		},
		"it is stopped": func(dir string) error {
			_, err := Restore(ended, bytes.NewReader(container), pass, dir, openBolt)
			return err
		},
		"the reader fails": func(dir string) error {
			r := io.MultiReader(bytes.NewReader(container[:len(container)/2]), &failing{broken})
			_, err := Restore(t.Context(), r, pass, dir, openBolt)
			return err
		},
	} {
		dir := t.TempDir()
		if err := restore(dir); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("%s: left %q", name, left)
		}
	}
}

// lazy says that it has loaded, and did not.
type lazy struct{ state.Store }

func (lazy) Load(context.Context, iter.Seq2[state.Item, error]) error { return nil }

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error)  { return 0, f.err }
func (f *failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriteFails(t *testing.T) {
	s := memory.New()
	fill(t, s)
	broken := errors.New("the disk is full")
	if _, err := Write(t.Context(), &failing{broken}, pass, Source{State: s}); !errors.Is(err, broken) {
		t.Errorf("a full disk: %v", err)
	}
	missing := Source{State: s, Files: []File{{Name: "x", Path: filepath.Join(t.TempDir(), "x")}}}
	if _, err := Write(t.Context(), io.Discard, pass, missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// Who has the passphrase of a backup sends it with names that lead out of the
// data folder of who restores it.
func TestNamesThatLeadOut(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "/etc/x", "a/../../x", "a//b", "a/./b", ".restored/x", ".hidden"} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		src := Source{State: memory.New(), Files: []File{{Name: name, Path: path}}}
		if _, err := write(t.Context(), io.Discard, pass, cheap, src); err == nil {
			t.Errorf("%q was written", name)
		}
		parent := t.TempDir()
		if _, err := Restore(t.Context(), crafted(t, name), pass, filepath.Join(parent, "data"), openBolt); err == nil {
			t.Errorf("%q was restored", name)
		}
		if left := names(t, parent); len(left) > 0 {
			t.Errorf("%q: left %q", name, left)
		}
	}
}

// crafted is a well sealed backup with a file of any name.
func crafted(t *testing.T, name string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	sealed, err := newSealWriter(&out, pass, cheap)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(sealed)
	w := frameWriter{w: packed}
	sum := Summary{}
	err = errors.Join(w.begin(sum), w.file(name, 0o600, []byte("x")))
	sum.Files = []string{name}
	if err := errors.Join(err, w.end(sum), packed.Close(), sealed.Close()); err != nil {
		t.Fatal(err)
	}
	return &out
}

// A backup of a store that is written to is of one moment: each writer writes a
// record and then an event, and is never more than one ahead.
func TestBackupUnderLoad(t *testing.T) {
	s, err := openBolt(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() { writeBoth(ctx, t, s, fmt.Sprint("w", w)) })
	}
	var out bytes.Buffer
	_, err = Write(t.Context(), &out, pass, Source{State: s})
	cancel()
	all.Wait()
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Restore(t.Context(), &out, pass, dir, openBolt); err != nil {
		t.Fatal(err)
	}
	if s, err = openBolt(dir); err != nil {
		t.Fatal(err)
	}
	for w := range 4 {
		scope := fmt.Sprint("w", w)
		records, err := s.Revision(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := s.Read(t.Context(), scope, 0, 1_000_000)
		if err != nil || uint64(len(entries)) > records || uint64(len(entries))+1 < records {
			t.Errorf("%s: %d records, %d events, %v", scope, records, len(entries), err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func writeBoth(ctx context.Context, t *testing.T, s state.Store, scope string) {
	for n := 0; ctx.Err() == nil; n++ {
		b := state.Batch{Scope: scope, Puts: []state.Put{{Name: fmt.Sprint(n)}}}
		_, err := s.Apply(ctx, b)
		if err == nil {
			_, err = s.Append(ctx, scope, "", fmt.Append(nil, n))
		}
		if err != nil && ctx.Err() == nil {
			t.Errorf("write: %v", err)
		}
	}
}
