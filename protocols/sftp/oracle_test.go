package sftp_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
)

// oracle is OpenSSH's own server of the subsystem: it needs no sshd.
const oracle = "/usr/lib/openssh/sftp-server"

// oracleIDs are whose files the oracle serves: not root's, whom no mode would hold
// back, and who could do harm with what is garbled.
func oracleIDs() (uid, gid uint32) {
	if os.Getuid() == 0 {
		return 65534, 65534
	}
	return uint32(os.Getuid()), uint32(os.Getgid())
}

// A pair is our door and OpenSSH's server over folders with the same content and,
// to their clients, the same path. Both are asked the same.
type pair struct {
	t            testing.TB
	w            *world
	ours, theirs *raw
	folder       string
	seen         map[reason]bool // why answers did differ
}

func newPair(t *testing.T) *pair {
	t.Helper()
	if _, err := os.Stat(oracle); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI does not accept that the oracle is missing")
		}
		t.Skip("OpenSSH's sftp-server is not installed: nothing was compared with it")
	}
	p := &pair{t: t, w: newWorld(t), folder: reachable(t), seen: map[reason]bool{}}
	p.w.add("alice")
	p.w.allowLinks()
	p.w.serve()
	p.reconnect()
	return p
}

// reachable makes a folder that the oracle comes to, whoever it runs as.
func reachable(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "oracle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// allowLinks lets everybody make links from now on.
func (w *world) allowLinks() {
	w.t.Helper()
	if _, err := w.Accounts.UpdateSite(w.t.Context(), 0, func(s *accounts.Site) error {
		s.Symlinks = policy.Allow
		return nil
	}, accounts.Forced); err != nil {
		w.t.Fatal(err)
	}
}

// reconnect begins anew with both, where either has ended.
func (p *pair) reconnect() {
	p.t.Helper()
	p.ours = p.w.raw("alice")
	p.theirs = p.startOracle()
}

func (p *pair) startOracle() *raw {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), oracle, "-e", "-l", "QUIET", "-u", "027")
	cmd.Env = []string{}
	if os.Getuid() == 0 {
		uid, gid := oracleIDs()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	out, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	in, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		out.Close()
		cmd.Wait()
	})
	r := &raw{t: p.t, in: in, out: out, cut: func() { cmd.Process.Kill() }}
	r.greet()
	return r
}

// room makes a folder with the same content for both, and returns its path.
func (p *pair) room(name string) string {
	p.t.Helper()
	at := filepath.Join(p.folder, name)
	for _, root := range []string{at, p.w.home("alice", at)} {
		if err := furnish(root); err != nil {
			p.t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		uid, gid := oracleIDs()
		err := filepath.WalkDir(at, func(name string, _ fs.DirEntry, _ error) error {
			return os.Lchown(name, int(uid), int(gid))
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return at
}

// long ago is when everything in a room was made.
var longAgo = time.Unix(1_000_000_000, 0)

// furnish makes what each case finds: files, folders, links.
func furnish(root string) error {
	at := func(name string) string { return filepath.Join(root, name) }
	errs := []error{os.MkdirAll(at("d"), 0o750), os.MkdirAll(at("empty-d"), 0o750)}
	for name, content := range map[string]string{
		"f": "hello world", "empty": "", "d/in": "inside", "big": "0123456789abcdef", "g": "other",
	} {
		errs = append(errs, os.WriteFile(at(name), []byte(content), 0o640), os.Chtimes(at(name), longAgo, longAgo))
	}
	for name, target := range map[string]string{"l": "f", "ld": "d", "broken": "nothing", "loop": "loop"} {
		errs = append(errs, os.Symlink(target, at(name)))
	}
	errs = append(errs, os.Truncate(at("big"), 20<<14))
	return errors.Join(errs...)
}

// Arguments of a question beside numbers, strings and bytes: a path in the room,
// the handle that an earlier question of the case was answered with, and the raw
// bytes of a packet.
type (
	at   string
	of   int
	junk []byte
)

// A question is one request to both.
type question struct {
	kind wire.Type
	args []any
	may  map[string]reason // what ours answers otherwise, and why
	// silent says that the oracle answers nothing.
	silent bool
}

func ask(kind wire.Type, args ...any) question { return question{kind: kind, args: args} }

// list asks for all of a folder, as a set.
func list(folder string) question { return question{kind: 0, args: []any{at(folder)}} }

// send sends a packet whatever it is, without its length.
func send(packet []byte) question { return question{args: []any{junk(packet)}} }

// alone is asked of ours only: the oracle leaves it without an answer.
func (q question) alone(but string, why reason) question {
	q.silent = true
	return q.differs(but, why)
}

func (q question) differs(but string, why reason) question {
	may := map[string]reason{but: why}
	maps.Copy(may, q.may)
	q.may = may
	return q
}

func (q question) String() string {
	text := fmt.Sprintf("%d", q.kind)
	for _, a := range q.args {
		text += fmt.Sprintf(" %.60q", fmt.Sprint(a))
	}
	return text
}

// A visit asks both in one room.
type visit struct {
	pair         *pair
	ours, theirs *side
	gone         bool // one of the two has ended
}

func (p *pair) visit(room string) *visit {
	p.t.Helper()
	at := p.room(room)
	return &visit{p, &side{raw: p.ours, room: at}, &side{raw: p.theirs, room: at}, false}
}

// ask reports whether the answers differ, as they may.
func (v *visit) ask(t interface{ Errorf(string, ...any) }, what string, q question) bool {
	got, want := v.ours.answer(q), "nothing"
	if !q.silent {
		want = v.theirs.answer(q)
	}
	v.gone = strings.HasSuffix(got, "gone") || strings.HasSuffix(want, "gone")
	if got == want {
		return false
	}
	why, known := q.may[got]
	if !known {
		t.Errorf("%s:\n  ours   %s\n  theirs %s", what, got, want)
	}
	v.pair.seen[why] = true
	return true
}

// A side is one server in the course of a case.
type side struct {
	*raw
	room    string
	handles []string
}

// answer asks and puts the answer into words that are the same where it is.
func (s *side) answer(q question) string {
	if q.kind == 0 {
		return s.special(q.args[0])
	}
	var args []any
	for _, a := range q.args {
		switch a := a.(type) {
		case at:
			args = append(args, filepath.Clean(s.room)+"/"+string(a))
		case of:
			args = append(args, s.handle(a))
		default:
			args = append(args, a)
		}
	}
	s.last++
	if err := s.write(fields(q.kind, append([]any{s.last}, args...)...)); err != nil {
		return "gone"
	}
	got, err := s.next()
	if err != nil {
		return "gone"
	}
	handle := ""
	if got.kind == 102 {
		handle = got.string()
	}
	s.handles = append(s.handles, handle)
	return got.tell(q.kind)
}

// handle is what the answer to an earlier question was, none where it was no handle.
func (s *side) handle(i of) string {
	if int(i) >= len(s.handles) {
		return ""
	}
	return s.handles[i]
}

func (s *side) special(a any) string {
	s.handles = append(s.handles, "")
	if folder, ok := a.(at); ok {
		return s.listed(s.room + "/" + string(folder))
	}
	s.last++
	probe := s.last
	err := s.raw.sendBytes(append([]byte(a.(junk)), frame(fields(wire.Realpath, probe, "/"))...))
	var told []string
	for err == nil {
		var got reply
		if got, err = s.next(); err == nil && got.id == probe && got.kind == 104 {
			return strings.Join(append(told, "goes on"), ", ")
		}
		if err == nil {
			told = append(told, got.tell(0))
		}
	}
	return strings.Join(append(told, "gone"), ", ")
}

// listed reads a folder to its end.
func (s *side) listed(folder string) string {
	got := s.ask(wire.Opendir, folder)
	if got.kind != 102 {
		return got.tell(wire.Opendir)
	}
	handle := got.string()
	var all []string
	for range 100 {
		if got = s.ask(wire.Readdir, handle); got.kind != 104 {
			break
		}
		all = append(all, got.entries()...)
	}
	slices.Sort(all)
	return fmt.Sprintf("%s; end %s; closed %s", strings.Join(all, " "), got.tell(0), s.ask(wire.Close, handle).tell(0))
}

// entries are the names of a name packet, each with what stands in its attributes.
func (p reply) entries() []string {
	var all []string
	rest := p.body[4:]
	for range binary.BigEndian.Uint32(p.body) {
		var name string
		name, rest = cutString(rest)
		_, rest = cutString(rest)
		var a attrs
		a, rest = cutAttrs(rest)
		if name != "." && name != ".." {
			all = append(all, fmt.Sprintf("%q(%s)", name, a))
		}
	}
	return all
}

// attrs are attributes as they came.
type attrs struct {
	has, mode, accessed, modified uint32
	size                          uint64
}

func cutAttrs(b []byte) (attrs, []byte) {
	a := attrs{has: binary.BigEndian.Uint32(b)}
	b = b[4:]
	if a.has&wire.HasSize != 0 {
		a.size, b = binary.BigEndian.Uint64(b), b[8:]
	}
	if a.has&wire.HasOwner != 0 {
		b = b[8:]
	}
	if a.has&wire.HasMode != 0 {
		a.mode, b = binary.BigEndian.Uint32(b), b[4:]
	}
	if a.has&wire.HasTimes != 0 {
		a.accessed, a.modified, b = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), b[8:]
	}
	return a, b
}

// String tells what both must agree on: of times only those that a case has set,
// of folders no size.
func (a attrs) String() string {
	text := fmt.Sprintf("mode %o", a.mode)
	if a.mode>>12 != 0o04 {
		text += fmt.Sprintf(" size %d", a.size)
	}
	if a.accessed < 900_000_000 {
		text += fmt.Sprintf(" accessed %d", a.accessed)
	}
	if a.modified < 900_000_000 {
		text += fmt.Sprintf(" modified %d", a.modified)
	}
	return text
}

// tell puts a reply into words.
func (p reply) tell(asked wire.Type) string {
	switch p.kind {
	case 101:
		return fmt.Sprint("code ", uint32(p.code()))
	case 102:
		return "handle"
	case 103:
		return fmt.Sprintf("data %.40q of %d", p.string(), len(p.string()))
	case 104:
		return strings.Join(p.entries(), " ")
	case 105:
		a, _ := cutAttrs(p.body)
		return a.String()
	case 201:
		return fmt.Sprintf("extended reply of %d", len(p.body))
	}
	return fmt.Sprint("packet ", p.kind)
}
