package sftp_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/protocols/sftp/wire"
)

// A model is a file as it is when requests are done one after the other.
type model []byte

func (m *model) write(off int, b []byte) {
	if end := off + len(b); end > len(*m) {
		*m = append(*m, make([]byte, end-len(*m))...)
	}
	copy((*m)[off:], b)
}

func (m *model) resize(n int) {
	if n <= len(*m) {
		*m = (*m)[:n:n]
		return
	}
	*m = append(*m, make([]byte, n-len(*m))...)
}

func (m model) read(off, n int) string {
	if off >= len(m) {
		return ""
	}
	return string(m[off:min(off+n, len(m))])
}

// A step is one request: what is asked, by which handle, of which range.
type step struct{ what, handle, off, n int }

var steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
	return step{
		rapid.IntRange(0, 8).Draw(t, "what"), rapid.IntRange(0, 2).Draw(t, "handle"),
		rapid.IntRange(0, 3000).Draw(t, "offset"), rapid.IntRange(1, 2000).Draw(t, "length"),
	}
}), 1, 60)

// Whatever is sent without waiting, over several handles of one file and by its
// name, has the replies and leaves the content that it would have one after the other.
func TestPipelineIsLikeOneAfterTheOther(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	files := 0
	rapid.Check(t, func(rt *rapid.T) {
		todo := steps.Draw(rt, "steps")
		files++
		name := fmt.Sprintf("/f%d", files)
		handles := []string{
			r.open(name, wire.FlagRead|wire.FlagWrite|wire.FlagCreate), r.open(name, wire.FlagRead|wire.FlagWrite),
			r.open(name, wire.FlagRead|wire.FlagWrite|wire.FlagAppend),
		}
		var m model
		want := map[uint32]string{}
		for i, s := range todo {
			id := uint32(i)
			want[id] = r.step(&m, id, name, handles[s.handle], s)
		}
		for range todo {
			got := r.receive()
			if told := tell(got); told != want[got.id] {
				rt.Errorf("request %d got %.60q, want %.60q", got.id, told, want[got.id])
			}
		}
		for _, h := range handles {
			r.want("close", r.ask(wire.Close, h), wire.OK)
		}
		if got := w.content("alice", name); got != string(m) {
			rt.Errorf("the file holds %d bytes that are not the model's %d", len(got), len(m))
		}
	})
}

// step sends a request, does it to the model, and returns what must be told.
func (r *raw) step(m *model, id uint32, name, h string, s step) string {
	switch s.what {
	case 0, 1, 2:
		content := strings.Repeat(string(rune('A'+id)), s.n)
		r.send(fields(wire.Write, id, h, uint64(s.off), content))
		if s.handle == 2 {
			s.off = len(*m)
		}
		m.write(s.off, []byte(content))
	case 3, 4:
		r.send(fields(wire.Read, id, h, uint64(s.off), uint32(s.n)))
		if content := m.read(s.off, s.n); content != "" {
			return content
		}
		return "status 1"
	case 5:
		r.send(fields(wire.Fstat, id, h))
		return fmt.Sprint("size ", len(*m))
	case 6:
		r.send(fields(wire.Fsetstat, id, h, uint32(wire.HasSize), uint64(s.off)))
		m.resize(s.off)
	case 7:
		r.send(fields(wire.Stat, id, name))
		return fmt.Sprint("size ", len(*m))
	case 8:
		r.send(fields(wire.Setstat, id, name, uint32(wire.HasSize), uint64(s.off)))
		m.resize(s.off)
	}
	return "status 0"
}

// tell puts a reply into words.
func tell(p reply) string {
	switch p.kind {
	case 103:
		return p.string()
	case 105:
		return fmt.Sprint("size ", binary.BigEndian.Uint64(p.body[4:]))
	}
	return fmt.Sprint("status ", uint32(p.code()))
}
