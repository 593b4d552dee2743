package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gatehouse/storage/state"
)

// The header of the newest file is damaged, so that nobody can tell what it held:
// the gateway starts all the same, says so, and gives no position of it again.
func TestADamagedLastHeader(t *testing.T) {
	for name, before := range map[string]int{"the only file": 6, "after others": 200} {
		t.Run(name, func(t *testing.T) {
			dir, d := t.TempDir(), newDisk()
			j := openSmall(t, dir, d)
			want := numbers(1, before)
			for _, e := range want {
				add(t, j, e)
			}
			closed(t, j)
			files := segments(t, dir)
			path := files[len(files)-1]
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content[30] ^= 1
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			first, _ := firstOf(filepath.Base(path))
			var said logged
			if j, err = open(dir, Options{Log: said.logger()}, d, 4096); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said.text.String(), fileOf(first)) || !strings.Contains(said.text.String(), "goes on after what may be lost") {
				t.Errorf("the log has %q", said.text.String())
			}
			next := add(t, j, "next")
			if next <= uint64(before)+1 {
				t.Errorf("position %d is given again", next)
			}
			if at := j.Damaged(); len(at) != 1 || !strings.Contains(at[0], fileOf(first)) {
				t.Errorf("damaged is %q", at)
			}
			for range 2 {
				wantLost(t, j, first, next-1)
				if e, err := j.Read("log", next-1, 5); err != nil || len(e) != 1 || string(e[0].Value) != "next" {
					t.Errorf("after it: %v, %v", e, err)
				}
				if e, err := j.ReadBack("log", first, 1); first > 1 && (err != nil || string(e[0].Value) != want[first-2]) {
					t.Errorf("before it: %v, %v", e, err)
				}
				closed(t, j)
				j = openSmall(t, dir, d)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
				t.Errorf("the damaged file was changed, %v", err)
			}
			closed(t, j)
		})
	}
}

// wantLost finds positions damaged, both ways.
func wantLost(t *testing.T, j *Journal, first, last uint64) {
	t.Helper()
	var damage *state.DamageError
	if _, err := j.Read("log", first-1, 1); !errors.As(err, &damage) || damage.First != first || damage.Last != last {
		t.Errorf("from %d: %v", first, err)
	}
	if _, err := j.ReadBack("log", last+1, 1); !errors.As(err, &damage) || damage.First != first || damage.Last != last {
		t.Errorf("back from %d: %v", last, err)
	}
}

// A badDisk does not give some of a file.
type badDisk struct {
	*bytes.Reader
	bad int64
}

func (d badDisk) ReadAt(b []byte, at int64) (int, error) {
	if at <= d.bad && d.bad < at+int64(len(b)) {
		return 0, syscall.EIO
	}
	return d.Reader.ReadAt(b, at)
}

func TestASectorThatCannotBeRead(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 3*blockSize+100)
	data, unread, err := readAround(badDisk{bytes.NewReader(content), blockSize + 7}, int64(len(content)))
	clear(content[blockSize : 2*blockSize])
	if err != nil || unread != 2*blockSize || !bytes.Equal(data, content) {
		t.Errorf("%d bytes, unread up to %d, %v", len(data), unread, err)
	}
}

// An append that is longer than a block was torn. What comes in its place has
// other sizes, and is found.
func TestATornAppendOfManyBlocks(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	j, err := open(dir, Options{}, d, segmentSize)
	if err != nil {
		t.Fatal(err)
	}
	add(t, j, "kept")
	long := string(make([]byte, 50_000))
	add(t, j, long, long, long, long, long, long)
	end := j.streams["log"].writer.end
	path := segments(t, dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	if j, err = with(t, dir, newDisk(), content[:end-1]); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"kept"}, numbers(1, 900)...)
	for _, e := range want[1:] {
		add(t, j, e)
	}
	wantTexts(t, j, want...)
	closed(t, j)
}

// A further file has its name, and the folder cannot be made durable: nothing
// goes into the file before it any more, where it would not be found again.
func TestAFileThatMayBeThere(t *testing.T) {
	for _, filled := range []int{1, 30} { // the file before it holds nothing, or is full
		dir, d := t.TempDir(), newDisk()
		j := openSmall(t, dir, d)
		var want []string
		if filled > 1 {
			for _, e := range numbers(1, filled) {
				add(t, j, e)
				want = append(want, e)
			}
		} else {
			fails(d, "write", "write", "truncate", "folder")
			if _, err := j.Append(t.Context(), "log", "", []byte("no")); err == nil {
				t.Fatal("it was taken")
			}
		}
		fails(d, "folder")
		if _, err := j.Append(t.Context(), "log", "", make([]byte, 4000)); filled > 1 && !errors.Is(err, errDisk) {
			t.Fatalf("got %v", err)
		}
		d.fail = nil
		for range 2 {
			want = append(want, "later")
			if p := add(t, j, "later"); p != uint64(len(want)) {
				t.Errorf("position %d, want %d", p, len(want))
			}
		}
		h := history{journal: j}
		for _, s := range h.journal.streams {
			if err := s.writer.file.Close(); err != nil {
				t.Fatal(err)
			}
		}
		j = openSmall(t, dir, d)
		if got := texts(t, j); !slices.Equal(got, want) {
			t.Errorf("%d entries, want %d", len(got), len(want))
		}
		closed(t, j)
	}
}

// fails has the next call of each kind fail, in any order.
func fails(d *disk, kinds ...string) {
	d.fail = func(what string) error {
		if i := slices.Index(kinds, what); i >= 0 {
			kinds = slices.Delete(kinds, i, i+1)
			return fmt.Errorf("%s: %w", what, errDisk)
		}
		return nil
	}
}

// The power goes when a file has its name, and nothing in it was made durable but
// its header: it is a file of this stream.
func TestAHeaderIsDurableBeforeItsName(t *testing.T) {
	for seed := range uint64(20) {
		dir, d := t.TempDir(), newDisk()
		j := openSmall(t, dir, d)
		named := false
		d.fail = func(what string) error {
			if named = named || what == "folder" && len(segments(t, dir)) > 0; named && what != "folder" && what != "write" {
				return errDisk
			}
			return nil
		}
		if _, err := j.Append(t.Context(), "log", "", []byte("first")); err == nil {
			t.Fatal("it was taken")
		}
		if err := j.streams["log"].writer.file.Close(); err != nil {
			t.Fatal(err)
		}
		d.fail = nil
		if err := d.cut(rand.New(rand.NewPCG(seed, 0))); err != nil {
			t.Fatal(err)
		}
		var said logged
		j, err := open(dir, Options{Log: said.logger()}, d, 4096)
		if err != nil || strings.Contains(said.text.String(), "damaged") {
			t.Fatalf("%v, %s", err, said.text.String())
		}
		closed(t, j)
	}
}

// A stream's folder was moved to another disk: it is found behind its link, and
// where it is away nothing is begun in its place.
func TestAFolderBehindALink(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "moved")
	j := openIn(t, dir)
	add(t, j, "kept")
	closed(t, j)
	for _, err := range []error{
		os.Rename(filepath.Join(dir, "log"), elsewhere), os.Symlink(elsewhere, filepath.Join(dir, "log")),
		os.Mkdir(filepath.Join(dir, "lost+found"), 0o000), os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	j = openIn(t, dir)
	add(t, j, "more")
	wantTexts(t, j, "kept", "more")
	closed(t, j)
	if err := os.Rename(elsewhere, elsewhere+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A stored value looks like a seal, and a file that was not sealed ends with it.
func TestAValueThatLooksLikeASeal(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	j := openSmall(t, dir, d)
	add(t, j, "first")
	first := j.streams["log"].writer
	at := first.end + frameSize
	add(t, j, string(seal(0, at, content{last: 1}, nil)))
	end := j.streams["log"].writer.end
	path := segments(t, dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	if j, err = with(t, dir, newDisk(), content[:end]); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, j); len(got) != 2 {
		t.Errorf("%d entries are left", len(got))
	}
	closed(t, j)
}

// A dump can be made of a damaged stream, and keeps the positions of the rest.
func TestADumpAtDamage(t *testing.T) {
	d := newDisk()
	content, first, _ := sample(t, d)
	content[first+40] ^= 1
	j, err := with(t, t.TempDir(), d, content)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, j)
	s, err := j.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	next, empty := uint64(1), 0
	err = s.Dump(func(i state.Item) error {
		if i.Kind != state.ItemEntry {
			return nil
		}
		if i.Revision != next {
			t.Errorf("%d comes where %d should", i.Revision, next)
		}
		if len(i.Value) == 0 {
			empty++
		}
		next++
		return i.Validate()
	})
	if err != nil || empty != 1 || next != j.streams["log"].last+1 {
		t.Errorf("%d are empty, the next is %d, %v", empty, next, err)
	}
}
