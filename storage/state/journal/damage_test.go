package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/storage/state"
)

// resum makes a header's sum right.
func resum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
	return b
}

// An acknowledged is one append: what it added, and where it ended in the file.
type acknowledged struct {
	entries []string
	end     int64
}

// sample makes a stream of some appends in one file, each of a write of its own,
// and does not close it.
func sample(t *testing.T, d *disk) (content []byte, first int64, made []acknowledged) {
	t.Helper()
	dir := t.TempDir()
	j, err := open(dir, Options{}, d, segmentSize)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		entries := numbers(81*n, 81*n+n%3)
		add(t, j, entries...)
		s := j.streams["log"]
		if first == 0 {
			first = s.writer.seg.begin
		}
		made = append(made, acknowledged{entries, s.writer.end})
	}
	content, err = os.ReadFile(segments(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, j) })
	return content[:made[len(made)-1].end+100], first, made // it is filled with zeroes
}

// with opens a journal whose one stream has one segment of this content.
func with(t *testing.T, dir string, d *disk, content []byte) (*Journal, error) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log", fileOf(1)), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(dir, Options{}, d, segmentSize)
}

// The file is cut at any byte, as a loss of power may leave it, and what comes
// after is missing, zeroes, or something else: all that was acknowledged before
// is there, and nothing else; the stream goes on.
func TestATornTail(t *testing.T) {
	d := newDisk()
	content, first, made := sample(t, d)
	dir := t.TempDir()
	end := made[len(made)-1].end
	for cut := first; cut <= end; cut++ {
		var want []string
		for _, a := range made {
			if a.end <= cut {
				want = append(want, a.entries...)
			}
		}
		tails := map[string][]byte{"nothing": nil}
		if cut%5 == 0 || slices.ContainsFunc(made, func(a acknowledged) bool { return cut >= a.end-1 && cut <= a.end+1 }) {
			tails["zeroes"], tails["something"] = make([]byte, 1000), []byte(strings.Repeat("torn", 300))
		}
		for after, tail := range tails {
			j, err := with(t, dir, d, slices.Concat(content[:cut], tail))
			if err != nil {
				t.Fatalf("cut at %d, then %s: %v", cut, after, err)
			}
			wantTexts(t, j, want...)
			if cut%16 == 0 {
				if p := add(t, j, "goes on"); p != uint64(len(want)+1) {
					t.Errorf("it goes on at %d", p)
				}
				wantTexts(t, j, append(want[:len(want):len(want)], "goes on")...)
			}
			closed(t, j)
			if t.Failed() {
				t.Fatalf("cut at %d, then %s", cut, after)
			}
		}
	}
}

// Any byte goes bad that was made durable before others: what can be read is as
// it was written, what cannot be read is told with its place, and nothing else
// is missing.
func TestDamage(t *testing.T) {
	d := newDisk()
	content, first, made := sample(t, d)
	var want []string
	for _, a := range made {
		want = append(want, a.entries...)
	}
	dir := t.TempDir()
	last := made[len(made)-2].end // what the last write brought may be a torn end
	for at := first; at < last; at++ {
		bad := slices.Clone(content)
		bad[at] ^= 0x55
		for name, c := range map[string][]byte{"byte": bad, "sectors": wiped(content, at)} {
			j, err := with(t, dir, d, c)
			if err != nil {
				t.Fatalf("a bad %s at %d: %v", name, at, err)
			}
			wantDamaged(t, j, want)
			closed(t, j)
			if t.Failed() {
				t.Fatalf("a bad %s at %d", name, at)
			}
		}
	}
}

// wiped is content with some zeroes from a place on, not up to the last write.
func wiped(content []byte, at int64) []byte {
	c := slices.Clone(content)
	clear(c[at : at+20])
	return c
}

// wantDamaged finds some damage and all else, both ways.
func wantDamaged(t *testing.T, j *Journal, want []string) {
	t.Helper()
	lost := map[uint64]bool{}
	n := uint64(len(want))
	for at := uint64(0); at < n; {
		entries, err := j.Read("log", at, 5)
		for _, e := range entries {
			if at++; e.Position != at || string(e.Value) != want[at-1] {
				t.Fatalf("at %d is %d %q", at, e.Position, e.Value)
			}
		}
		var damage *state.DamageError
		if errors.As(err, &damage) {
			if damage.First != at+1 || damage.Last < damage.First || !strings.Contains(damage.Where, filepath.Join("log", fileOf(1))+" at byte ") {
				t.Fatalf("after %d: %v", at, err)
			}
			for at++; at < damage.Last; at++ {
				lost[at] = true
			}
			lost[at] = true
		} else if err != nil || len(entries) == 0 {
			t.Fatalf("after %d: %d entries, %v", at, len(entries), err)
		}
	}
	if len(lost) == 0 || len(lost) > 5 {
		t.Errorf("%d entries are lost", len(lost))
	}
	for before := n + 1; before > 1; {
		entries, err := j.ReadBack("log", before, 5)
		for _, e := range entries {
			if before--; e.Position != before || lost[before] || string(e.Value) != want[before-1] {
				t.Fatalf("back at %d is %d %q", before, e.Position, e.Value)
			}
		}
		var damage *state.DamageError
		if errors.As(err, &damage) {
			for ; before > damage.First; before-- {
				if !lost[before-1] {
					t.Fatalf("back, %d is lost", before-1)
				}
			}
		} else if err != nil || len(entries) == 0 {
			t.Fatalf("back before %d: %d entries, %v", before, len(entries), err)
		}
	}
}

// A write of several appends was torn amid: what follows the tear was no more
// acknowledged than the tear itself, and never comes back, not even behind
// something of the same length that is appended in its place.
func TestATearAmidAWrite(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	j := openSmall(t, dir, d)
	add(t, j, "kept")
	before := j.streams["log"].writer.end
	add(t, j, "torn", "whole", "whole too")
	closed(t, j)
	path := segments(t, dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	alone := content[before:]
	for range 3 { // each an append of its own, in one write
		alone[kindAt] &^= moreBit
		seed := j.streams["log"].segments[0].seed
		binary.BigEndian.PutUint32(alone[sumAt:], sum(alone[:sizeOf(alone)], seed))
		alone = alone[sizeOf(alone):]
	}
	clear(alone[:frameSize])           // that it was closed
	clear(content[before : before+20]) // a sector that was not written
	d = newDisk()
	j, err = with(t, dir, d, content)
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, j, "kept")
	add(t, j, "else")
	closed(t, j)
	j, err = open(dir, Options{}, d, segmentSize)
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, j, "kept", "else")
	closed(t, j)
}

// After an orderly end even the last bytes are known to have been there.
func TestDamageOfTheLastWriteAfterAnOrderlyEnd(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir)
	add(t, j, "one")
	add(t, j, "two")
	end := j.streams["log"].writer.end
	closed(t, j)
	path := segments(t, dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[end-1] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var said logged
	j, err = Open(dir, Options{Log: said.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, j)
	var damage *state.DamageError
	if _, err := j.ReadBack("log", 0, 1); !errors.As(err, &damage) || damage.First != 2 || damage.Last != 2 {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(said.text.String(), fileOf(1)+" at byte") {
		t.Errorf("the log has %q", said.text.String())
	}
	if p := add(t, j, "three"); p != 3 {
		t.Errorf("it goes on at %d", p)
	}
}

// Of several segments one is damaged, or gone: the others can be read.
func TestDamagedSegments(t *testing.T) {
	for name, harm := range map[string]func(path string, content []byte) error{
		"its header":   func(path string, c []byte) error { c[20] ^= 1; return os.WriteFile(path, c, 0o600) },
		"no header":    func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"its seal":     func(path string, c []byte) error { c[len(c)-60] ^= 1; return os.WriteFile(path, c, 0o600) },
		"gone":         func(path string, _ []byte) error { return os.Remove(path) },
		"cut in two":   func(path string, c []byte) error { return os.WriteFile(path, c[:len(c)/2], 0o600) },
		"all but it":   func(path string, c []byte) error { clear(c[200:]); return os.WriteFile(path, c, 0o600) },
		"of elsewhere": func(path string, _ []byte) error { return os.WriteFile(path, header("log", 7, 0), 0o600) },
	} {
		for _, which := range []int{0, 3} {
			t.Run(fmt.Sprint(name, which), func(t *testing.T) {
				dir, d := t.TempDir(), newDisk()
				j := openSmall(t, dir, d)
				want := numbers(1, 200)
				for _, e := range want {
					add(t, j, e)
				}
				closed(t, j)
				files := segments(t, dir)
				content, err := os.ReadFile(files[which])
				if err != nil {
					t.Fatal(err)
				}
				first, _ := firstOf(filepath.Base(files[which]))
				next, _ := firstOf(filepath.Base(files[which+1]))
				if err := harm(files[which], content); err != nil {
					t.Fatal(err)
				}
				j = openSmall(t, dir, d)
				defer closed(t, j)
				if name == "its seal" { // which says nothing that is not in the frames
					wantTexts(t, j, want...)
					return
				}
				var damage *state.DamageError
				entries, err := j.Read("log", next-1, 1)
				if err != nil || string(entries[0].Value) != want[next-1] {
					t.Errorf("after it: %v, %v", entries, err)
				}
				if _, err = j.ReadBack("log", next, 1); !errors.As(err, &damage) || damage.Last != next-1 || damage.First < first {
					t.Errorf("back into it: %v", err)
				}
				if first > 1 {
					entries, err := j.ReadBack("log", first, 1)
					if err != nil || string(entries[0].Value) != want[first-2] {
						t.Errorf("before it: %v, %v", entries, err)
					}
				}
				if p := add(t, j, "goes on"); p != 201 {
					t.Errorf("it goes on at %d", p)
				}
			})
		}
	}
}

// Any bytes are read as nothing, or as what was written.
func FuzzSegment(f *testing.F) {
	head := header("log", 1, 0)
	h, err := parseHeader(head)
	if err != nil {
		f.Fatal(err)
	}
	frames := appendFrame(nil, entryFrame|moreBit, key{}, []byte("one"))
	two := appendFrame(nil, entryFrame, key{1}, []byte("two"))
	trim := appendFrame(nil, trimFrame, key{}, trimmedValue(1))
	stamp(frames, 1, 7, 0, h.seed)
	stamp(two, 2, 7, len(frames), h.seed)
	stamp(trim, 2, 7, 0, h.seed)
	whole := slices.Concat(frames, two, trim)
	f.Add(whole, uint32(len(whole)))
	f.Add(whole[:len(whole)-9], uint32(0))
	f.Add(slices.Concat(frames, make([]byte, 600), two), uint32(3))
	f.Add(slices.Concat(whole, seal(h.seed, int64(len(head)+len(whole)), content{last: 2}, []mark{{1, int64(len(head))}})), uint32(5))
	f.Add(make([]byte, 1000), uint32(999))
	f.Fuzz(func(t *testing.T, b []byte, cut uint32) {
		if fr, ok := parse(b, cut); ok && (fr.size < frameSize || fr.size > len(b) || len(fr.value) > fr.size) {
			t.Errorf("%+v of %d bytes", fr, len(b))
		}
		if _, err := parseHeader(b); err != nil && !errors.Is(err, errHeader) && !errors.Is(err, state.ErrNewer) {
			t.Error(err)
		}
		data := slices.Concat(head, b[:min(int(cut), len(b))], b)
		seg := &segment{path: "log/1.log", first: 1, seed: h.seed, begin: h.size}
		sc := scanSegment(seg, data, noLimit)
		if seg.end < seg.begin || seg.end > int64(len(data)) {
			t.Fatalf("it ends at %d of %d", seg.end, len(data))
		}
		bl := block{1, max(sc.content.last, 1), seg.begin, seg.end}
		found, gaps := entriesIn(data[seg.begin:seg.end], bl, seg.seed)
		next, n := uint64(1), 0
		for _, e := range found {
			for ; n < len(gaps) && gaps[n].first == next; n++ {
				next = gaps[n].last + 1
			}
			if e.Position != next {
				t.Fatalf("%d comes where %d should", e.Position, next)
			}
			next++
		}
		readSeal(strings.NewReader(string(data)), int64(len(data)), cut)
	})
}
