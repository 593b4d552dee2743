package sftp_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp/wire"
)

// What clients send that do not run in the tests is answered as they need it:
// testdata/dialogues says what each sends, and where that is written down.
func TestClients(t *testing.T) {
	for _, file := range protocoltest.Dialogues(t) {
		t.Run(file.Client, func(t *testing.T) {
			d := &dialogue{t: t, w: serving(t), files: map[string]string{}, handles: map[string]string{}, early: map[uint32]reply{}}
			file.Lines(t, d.line)
			d.wantFiles()
		})
	}
}

// A dialogue is played from a file; README.md beside the files says how.
type dialogue struct {
	t       *testing.T
	w       *world
	r       *raw
	files   map[string]string // afterwards
	handles map[string]string // by the names that the dialogue gives them

	asked   []uint32         // requests whose replies are wanted next
	early   map[uint32]reply // replies that were not yet wanted
	pending []byte           // requests that go out at once
}

func (d *dialogue) line(kind, rest string) error {
	words := strings.Fields(rest)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "%20", " ")
	}
	switch kind {
	case "+":
		d.w.put("alice", words[0], piece(strings.Join(words[1:], " ")))
	case "=":
		d.files["/home/alice/"+words[0]] = piece(strings.Join(words[1:], " "))
	case ">":
		return d.request(words[0], words[1:])
	case "<":
		return d.answer(words[0], words[1:])
	case "$":
		out, status := d.w.command("alice", strings.Join(words[1:], " ")).says("")
		if strconv.Itoa(status) != words[0] {
			return fmt.Errorf("status %d: %s", status, out)
		}
	default:
		return fmt.Errorf("it cannot be understood")
	}
	return nil
}

// The requests by their names, and what follows each: a text, a handle, flags,
// attributes, a 32-bit and a 64-bit number, and data.
var requests = map[string]struct {
	kind wire.Type
	args string
}{
	"OPEN": {wire.Open, "tfa"}, "CLOSE": {wire.Close, "h"}, "READ": {wire.Read, "hqn"}, "WRITE": {wire.Write, "hqd"},
	"LSTAT": {wire.Lstat, "t"}, "STAT": {wire.Stat, "t"}, "FSTAT": {wire.Fstat, "h"},
	"SETSTAT": {wire.Setstat, "ta"}, "FSETSTAT": {wire.Fsetstat, "ha"},
	"OPENDIR": {wire.Opendir, "t"}, "READDIR": {wire.Readdir, "h"}, "REMOVE": {wire.Remove, "t"}, "MKDIR": {wire.Mkdir, "ta"},
	"RMDIR": {wire.Rmdir, "t"}, "REALPATH": {wire.Realpath, "t"}, "RENAME": {wire.Rename, "tt"},
	"posix-rename": {wire.Extended, "ett"}, "statvfs": {wire.Extended, "et"}, "fstatvfs": {wire.Extended, "eh"}, "fsync": {wire.Extended, "eh"},
	"limits": {wire.Extended, "e"}, "home-directory": {wire.Extended, "et"}, "expand-path": {wire.Extended, "et"},
}

// request adds a request to those that go out at the next answer.
func (d *dialogue) request(name string, words []string) error {
	if name == "INIT" {
		version, _ := strconv.ParseUint(words[0], 10, 32)
		d.r = d.w.rawNoInit("alice")
		d.r.send(fields(wire.Init, uint32(version)))
		return nil
	}
	q, known := requests[name]
	if !known {
		return fmt.Errorf("there is no such request")
	}
	d.r.last++
	args := []any{d.r.last}
	for _, kind := range q.args {
		if kind == 'e' {
			args = append(args, name+"@openssh.com")
			if name == "home-directory" {
				args[len(args)-1] = name
			}
			continue
		}
		var word string
		if len(words) > 0 {
			word, words = words[0], words[1:]
		}
		arg, err := d.argument(kind, word, words)
		if err != nil {
			return err
		}
		args = append(args, arg...)
	}
	d.asked = append(d.asked, d.r.last)
	d.pending = append(d.pending, frame(fields(q.kind, args...))...)
	return nil
}

func (d *dialogue) argument(kind rune, word string, more []string) ([]any, error) {
	switch kind {
	case 't':
		return []any{word}, nil
	case 'h':
		h, known := d.handles[word]
		if !known {
			return nil, fmt.Errorf("there is no handle %s", word)
		}
		return []any{h}, nil
	case 'd':
		return []any{piece(strings.Join(append([]string{word}, more...), " "))}, nil
	case 'f':
		var flags uint32
		for i, letter := range "rwacte" {
			if strings.ContainsRune(word, letter) {
				flags |= openFlags[i]
			}
		}
		return []any{flags}, nil
	case 'a':
		return attributes(append([]string{word}, more...))
	}
	n, err := strconv.ParseUint(word, 10, 64)
	if kind == 'n' {
		return []any{uint32(n)}, err
	}
	return []any{n}, err
}

// attributes are written mode=0644 time=1 size=2 owner=3, or not at all.
func attributes(words []string) ([]any, error) {
	given := map[string]uint64{}
	for _, word := range words {
		if word == "" {
			continue
		}
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.ParseUint(value, 0, 64)
		if err != nil {
			return nil, err
		}
		given[key] = n
	}
	var has uint32
	var list []any
	for _, field := range []struct {
		name  string
		flag  uint32
		value []any
	}{
		{"size", wire.HasSize, []any{given["size"]}},
		{"owner", wire.HasOwner, []any{uint32(given["owner"]), uint32(given["owner"])}},
		{"mode", wire.HasMode, []any{uint32(given["mode"])}},
		{"time", wire.HasTimes, []any{uint32(given["time"]), uint32(given["time"])}},
	} {
		if _, there := given[field.name]; there {
			has |= field.flag
			list = append(list, field.value...)
		}
	}
	return append([]any{has}, list...), nil
}

var span = regexp.MustCompile(`^\*([0-9]+)(?:\+([0-9]+))?$`)

// piece is text, or as many bytes as are said behind a star, from an offset
// behind a plus.
func piece(text string) string {
	m := span.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	n, _ := strconv.Atoi(m[1])
	from, _ := strconv.Atoi(m[2])
	b := make([]byte, from+n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b[from:])
}

// answer takes the reply to the first request whose reply was not yet taken.
func (d *dialogue) answer(kind string, words []string) error {
	if kind == "VERSION" {
		got := d.r.receive()
		if got.kind != 2 || strconv.Itoa(int(got.id)) != words[0] {
			return fmt.Errorf("packet %d, version %d", got.kind, got.id)
		}
		for _, extension := range words[1:] {
			if !strings.Contains(string(got.body), extension) {
				return fmt.Errorf("%s is not offered", extension)
			}
		}
		return nil
	}
	if len(d.pending) > 0 {
		if err := d.r.sendBytes(d.pending); err != nil {
			return err
		}
		d.pending = nil
	}
	if len(d.asked) == 0 {
		return fmt.Errorf("there is no request")
	}
	id := d.asked[0]
	d.asked = d.asked[1:]
	for {
		if got, there := d.early[id]; there {
			delete(d.early, id)
			return d.judge(got, kind, words)
		}
		got := d.r.receive()
		d.early[got.id] = got
	}
}

func (d *dialogue) judge(got reply, kind string, words []string) error {
	text := strings.Join(words, " ")
	ok := false
	switch kind {
	case "STATUS":
		ok = fmt.Sprint(uint32(got.code())) == text
	case "HANDLE":
		ok = got.kind == 102
		d.handles[text] = got.string()
	case "DATA":
		ok = got.kind == 103 && got.string() == piece(text)
	case "NAME":
		ok = got.kind == 104 && got.name() == text
	case "NAMES":
		ok = got.kind == 104 && slices.Equal(got.names(), words)
	case "REPLY":
		ok = got.kind == 201
	case "ATTRS":
		return got.wantAttributes(words)
	}
	if !ok {
		return fmt.Errorf("packet %d, status %d %q: %.80q", got.kind, got.code(), got.text(), got.body)
	}
	return nil
}

// names are those of a name packet, in order.
func (p reply) names() []string {
	rest := p.body[4:]
	var all []string
	for len(rest) > 0 {
		var name string
		name, rest = cutString(rest)
		_, rest = cutString(rest)
		_, rest = cutAttrs(rest)
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (p reply) wantAttributes(words []string) error {
	if p.kind != 105 {
		return fmt.Errorf("packet %d, status %d %q", p.kind, p.code(), p.text())
	}
	a, _ := cutAttrs(p.body)
	got := []string{fmt.Sprint("size=", a.size), fmt.Sprintf("mode=0%o", a.mode), fmt.Sprint("time=", a.modified)}
	for _, word := range words {
		if !slices.Contains(got, word) {
			return fmt.Errorf("it has %s", got)
		}
	}
	return nil
}

// wantFiles checks the home: all that is there, and no more.
func (d *dialogue) wantFiles() {
	d.t.Helper()
	got := protocoltest.Files(d.t, d.w.Dir)
	for name, content := range d.files {
		if is, there := got[name]; !there || is != content {
			d.t.Errorf("%s is %.100q (%v), want %.100q", name, is, there, content)
		}
		delete(got, name)
	}
	for name := range got {
		d.t.Errorf("%s is there, too", name)
	}
	if len(d.asked) > 0 {
		d.t.Errorf("%d answers were not looked at", len(d.asked))
	}
}
