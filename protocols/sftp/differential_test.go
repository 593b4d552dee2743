package sftp_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/protocols/sftp/wire"
)

// Our door answers as OpenSSH does, but for what stands in differences.
func TestAsOpenSSHAnswers(t *testing.T) {
	p := newPair(t)
	cases := corners()
	for i, name := range slices.Sorted(maps.Keys(cases)) {
		v := p.visit(fmt.Sprint(i))
		for n, q := range cases[name] {
			differs := v.ask(t, fmt.Sprintf("%s: %d: %s", name, n, q), q)
			if v.gone {
				p.reconnect()
				break
			}
			if differs && q.kind == wire.Open {
				break // what follows is about the handle
			}
		}
	}
	for _, why := range differences {
		if !p.seen[why] {
			t.Errorf("nothing differs any more because of: %s", why)
		}
	}
}

// Whatever is asked in whatever order, the answers are OpenSSH's.
func TestAsOpenSSHAnswersAnything(t *testing.T) {
	p := newPair(t)
	rooms := 0
	rapid.Check(t, func(rt *rapid.T) {
		rooms++
		v := p.visit(fmt.Sprint("any", rooms))
		for n, q := range sequences.Draw(rt, "questions") {
			if v.ask(rt, fmt.Sprintf("%d: %s", n, q), q) {
				break // from here on they need not be alike
			}
		}
		for i := range v.ours.handles {
			v.ours.answer(ask(wire.Close, of(i)))
			v.theirs.answer(ask(wire.Close, of(i)))
		}
	})
}

var sequences = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) question {
	name := func() at {
		return at(rapid.SampledFrom([]string{"f", "g", "new", "d", "d/in", "d/new", "l", "ld", "ld/in", "broken", "empty-d", "empty-d/x", "missing/x"}).Draw(t, "name"))
	}
	handle := of(rapid.IntRange(0, 7).Draw(t, "handle"))
	offset := uint64(rapid.IntRange(0, 40).Draw(t, "offset"))
	mode := rapid.SampledFrom([]uint32{0o700, 0o750, 0o755, 0o777}).Draw(t, "mode")
	times := []any{uint32(wire.HasTimes), uint32(1000 + offset), uint32(2000 + offset)}
	switch rapid.IntRange(0, 20).Draw(t, "kind") {
	case 0, 1, 2, 3:
		flags := rapid.SampledFrom([]uint32{
			wire.FlagRead, wire.FlagWrite, rw, rw | wire.FlagCreate, wire.FlagWrite | wire.FlagCreate | wire.FlagTruncate, rw | wire.FlagAppend,
			rw | wire.FlagCreate | wire.FlagExclusive, wire.FlagRead | wire.FlagCreate,
		}).Draw(t, "flags")
		return ask(wire.Open, name(), flags, uint32(wire.HasMode), mode).differs("code 4", folders)
	case 4, 5, 6:
		return ask(wire.Write, handle, offset, "0123456789"[:offset%11]).differs("code 3", directions).differs("code 2", nameless)
	case 7, 8:
		return ask(wire.Read, handle, offset, uint32(offset)).differs("code 3", directions)
	case 9:
		return ask(wire.Fstat, handle)
	case 10:
		return ask(wire.Fsetstat, handle, uint32(wire.HasSize), offset).differs("code 3", directions).differs("code 2", nameless)
	case 11:
		return ask(wire.Fsetstat, append([]any{handle}, times...)...)
	case 12:
		return ask(wire.Stat, name())
	case 13:
		return ask(wire.Lstat, name())
	case 14:
		return ask(wire.Setstat, name(), uint32(wire.HasSize), offset)
	case 15:
		return ask(wire.Setstat, name(), uint32(wire.HasMode), mode)
	case 16:
		return ask(wire.Rename, name(), name()).differs("code 4", links).differs("code 5", clean)
	case 17:
		return extended(wire.PosixRename, name(), name()).differs("code 4", emptyFolder).differs("code 5", clean)
	case 18:
		return ask(wire.Remove, name())
	case 19:
		return ask(wire.Mkdir, name(), uint32(wire.HasMode), mode)
	}
	return list(string(rapid.SampledFrom([]at{"", "d", "ld"}).Draw(t, "folder")))
}), 1, 40)
