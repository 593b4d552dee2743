package sftp_test

import (
	"testing"

	"gatehouse/policy"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
)

// Two handles of one name may be of different files: one that was removed and
// made anew, or whose new content waits to take its place. A copy between them
// once waited for itself, for ever, and the shutdown of the server with it.
func TestCopyBetweenFilesOfOneName(t *testing.T) {
	for name, test := range map[string]struct {
		way  policy.Uploads
		make func(*world, *raw)
		open uint32
	}{
		"made anew":        {policy.InPlace, func(w *world, r *raw) { r.want("remove", r.ask(wire.Remove, "/f"), wire.OK) }, 0},
		"not yet in place": {policy.Atomic, func(*world, *raw) {}, wire.FlagTruncate},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.add("alice", func(a *accounts.Account) { a.Uploads = test.way })
			w.serve()
			w.put("alice", "f", "content")
			r := w.raw("alice")
			from := r.open("/f", wire.FlagRead)
			test.make(w, r)
			to := r.open("/f", wire.FlagWrite|wire.FlagCreate|test.open)
			r.want("copy", r.ask(wire.Extended, wire.CopyData, from, uint64(0), uint64(0), to, uint64(1)), wire.OK)
			r.want("close", r.ask(wire.Close, to), wire.OK)
			if got := w.content("alice", "f"); got != "\x00content" {
				t.Errorf("the copy holds %q", got)
			}
		})
	}
}
