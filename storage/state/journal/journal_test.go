package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"gatehouse/storage/state"
)

func openIn(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return j
}

// openSmall opens a journal of short segments on a disk that says when it fails.
func openSmall(t *testing.T, dir string, d *disk) *Journal {
	t.Helper()
	j, err := open(dir, Options{}, d, 4096)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return j
}

func closed(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func add(t *testing.T, j *Journal, entries ...string) uint64 {
	t.Helper()
	values := make([][]byte, len(entries))
	for i, e := range entries {
		values[i] = []byte(e)
	}
	p, err := j.Append(t.Context(), "log", "", values...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return p
}

// texts reads the whole stream, both ways.
func texts(t *testing.T, j *Journal) []string {
	t.Helper()
	var found []string
	for after := uint64(0); ; {
		entries, err := j.Read("log", after, 7)
		if err != nil {
			t.Fatalf("read after %d: %v", after, err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			found, after = append(found, string(e.Value)), e.Position
		}
	}
	var back []string
	for before := uint64(0); before != 1; {
		entries, err := j.ReadBack("log", before, 5)
		if err != nil {
			t.Fatalf("read back before %d: %v", before, err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			back, before = append(back, string(e.Value)), e.Position
		}
	}
	slices.Reverse(back)
	if !slices.Equal(back, found) {
		t.Fatalf("read back are %d entries, read are %d", len(back), len(found))
	}
	return found
}

func wantTexts(t *testing.T, j *Journal, want ...string) {
	t.Helper()
	if got := texts(t, j); !slices.Equal(got, want) {
		t.Errorf("got %d entries %.100q, want %d %.100q", len(got), got, len(want), want)
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "log", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func numbers(from, to int) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprint(n, string(bytes.Repeat([]byte("."), n*37%300))))
	}
	return all
}

func TestManySegments(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	j := openSmall(t, dir, d)
	want := numbers(1, 300)
	for i, e := range want {
		if p := add(t, j, e); p != uint64(i+1) {
			t.Fatalf("position %d", p)
		}
	}
	if n := len(segments(t, dir)); n < 10 {
		t.Errorf("there are %d segments", n)
	}
	for range 2 {
		wantTexts(t, j, want...)
		for _, at := range []int{1, 2, 99, 150, 299, 300} {
			e, err := j.Read("log", uint64(at-1), 1)
			if err != nil || len(e) != 1 || string(e[0].Value) != want[at-1] {
				t.Errorf("at %d is %v, %v", at, e, err)
			}
		}
		closed(t, j)
		j = openSmall(t, dir, d)
	}
	closed(t, j)
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	j := openIn(t, dir)
	add(t, j, "e")
	if _, err := j.Append(t.Context(), "../Odd/\xff", "", []byte("e")); err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if want := os.FileMode(0o600); e.IsDir() && info.Mode() != 0o700|os.ModeDir || !e.IsDir() && info.Mode() != want {
			t.Errorf("%s has %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	j = openIn(t, dir)
	defer closed(t, j)
	if e, err := j.Read("../Odd/\xff", 0, 0); err != nil || len(e) != 1 {
		t.Errorf("a stream with an odd name: %v, %v", e, err)
	}
}

func TestTrimGivesSpaceBack(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	j := openSmall(t, dir, d)
	want := numbers(1, 300)
	add(t, j, "first")
	for _, e := range want[1:] {
		add(t, j, e)
	}
	before := len(segments(t, dir))
	trim := func(upTo uint64) {
		t.Helper()
		if err := j.Trim(t.Context(), "log", upTo); err != nil {
			t.Fatal(err)
		}
	}
	trim(200)
	if n := len(segments(t, dir)); n > before/2 {
		t.Errorf("%d of %d segments stay", n, before)
	}
	wantTexts(t, j, want[200:]...)
	trim(150) // is trimmed already
	wantTexts(t, j, want[200:]...)
	closed(t, j)
	j = openSmall(t, dir, d)
	wantTexts(t, j, want[200:]...)
	trim(1000)
	wantTexts(t, j)
	closed(t, j)
	j = openSmall(t, dir, d)
	wantTexts(t, j)
	if p := add(t, j, "next"); p != 301 {
		t.Errorf("position %d, want 301", p)
	}
	if n := len(segments(t, dir)); n > 2 {
		t.Errorf("%d segments stay", n)
	}
	closed(t, j)
}

func TestReadersKeepWhatIsTrimmed(t *testing.T) {
	dir := t.TempDir()
	j := openSmall(t, dir, newDisk())
	want := numbers(1, 200)
	for _, e := range want {
		add(t, j, e)
	}
	s, err := j.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Trim(t.Context(), "log", 200); err != nil {
		t.Fatal(err)
	}
	add(t, j, "later")
	var dumped []string
	err = s.Dump(func(i state.Item) error {
		if i.Kind == state.ItemEntry {
			dumped = append(dumped, string(i.Value))
		} else if i.Revision != 200 {
			t.Errorf("the stream is at %d", i.Revision)
		}
		return nil
	})
	if err != nil || !slices.Equal(dumped, want) {
		t.Errorf("%d entries, %v", len(dumped), err)
	}
	s.Release()
	if n := len(segments(t, dir)); n > 2 {
		t.Errorf("%d segments stay", n)
	}
	closed(t, j)
}

func TestPagesAreBounded(t *testing.T) {
	j := openIn(t, t.TempDir())
	defer closed(t, j)
	for range 5 {
		add(t, j, string(make([]byte, 3<<20)))
	}
	e, err := j.Read("log", 0, 100)
	if err != nil || len(e) != 3 {
		t.Errorf("%d entries, %v", len(e), err)
	}
	if e, err = j.ReadBack("log", 0, 100); err != nil || len(e) != 3 || e[2].Position != 3 {
		t.Errorf("back %d entries, %v", len(e), err)
	}
}

func TestANewerSegmentIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir)
	add(t, j, "e")
	closed(t, j)
	b := header("log", 1, 0)
	b[9] = headerVersion + 1
	if err := os.WriteFile(segments(t, dir)[0], resum(b), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, state.ErrNewer) {
		t.Errorf("got %v", err)
	}
}

// logged collects what a journal has said.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
