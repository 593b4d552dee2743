package events

import (
	"context"
	"fmt"
	"testing"

	"gatehouse/storage/state/bolt"
)

func BenchmarkLog(b *testing.B) {
	e := Event{Kind: Upload, Outcome: OK, Account: "anna", Door: "sftp", Session: "s1", Path: "/a/folder/file.txt", Bytes: 1 << 20}
	for _, way := range []string{"record", "note"} {
		b.Run(way, func(b *testing.B) {
			s, err := bolt.Open(b.TempDir(), bolt.Options{})
			if err != nil {
				b.Fatal(err)
			}
			l, err := New(b.Context(), Config{State: s, Node: "node", Sealer: testSealer(b)})
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				e.Session = fmt.Sprint(i)
				if way == "note" {
					l.Note(e)
				} else if err := l.Record(b.Context(), e); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.Close(context.WithoutCancel(b.Context())); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
