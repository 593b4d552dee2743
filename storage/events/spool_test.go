package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
)

// While the store is away events are durable on this machine, in time, and nothing
// is held up; afterwards they are in the trail, with their own times, once.
func TestSpoolWhileTheStoreIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		record(t, r.Log, Event{Path: "before"})
		r.set(func() { r.away = true })
		began := time.Now().UTC()
		r.Note(Event{Path: "1"})
		goes()
		if !s.spooled() || r.Spooled() == 0 || r.Behind() != nil || !errors.Is(r.Away(), state.ErrAway) || r.Err() == nil {
			t.Errorf("spooled %v, behind %v, away %v, %v", s.spooled(), r.Behind(), r.Away(), r.Err())
		}
		record(t, r.Log, Event{Path: "2"})
		time.Sleep(time.Minute)
		for i := 3; i < 6; i++ {
			r.Note(Event{Path: fmt.Sprint(i)})
			goes()
		}
		if err := r.Behind(); err != nil {
			t.Errorf("behind: %v", err)
		}
		r.set(func() { r.away = false })
		goes()
		want(t, paths(t, r.Log), "before", "1", "2", "3", "4", "5")
		found, _, err := r.List(t.Context(), Query{Path: "1"})
		if err != nil || len(found) != 1 || !found[0].Time.Equal(began) {
			t.Errorf("%+v, %v, want the time %v", found, err, began)
		}
		if s.spooled() || r.Spooled() != 0 || r.Away() != nil || r.Err() != nil {
			t.Errorf("spooled %v, %v", s.spooled(), r.Err())
		}
		record(t, r.Log, Event{Path: "after"})
		wantWhole(t, r.Log)
		r.stop()
	})
}

// Who is killed while the store is away has lost nothing that was durable, and the
// next run puts it into the trail before anything of its own.
func TestSpoolSurvivesAKill(t *testing.T) {
	for name, set := range map[string]func(*run){
		"away": func(r *run) { r.away = true }, "hangs": func(r *run) { r.hangs = true }, "loses answers": func(r *run) { r.replies = 1 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				r := s.start()
				record(t, r.Log, Event{Path: "before"})
				r.set(func() { set(r) })
				for i := range 5 {
					r.Note(Event{Path: fmt.Sprint(i)})
					goes()
				}
				if err := r.Behind(); err != nil {
					t.Errorf("behind: %v", err)
				}
				r.kill()
				r = s.start()
				record(t, r.Log, Event{Path: "after"})
				goes()
				want(t, paths(t, r.Log), "before", "0", "1", "2", "3", "4", "after")
				if s.spooled() {
					t.Error("what is in the trail is still kept")
				}
				wantWhole(t, r.Log)
				r.stop()
			})
		})
	}
}

// What a run had sent before it was killed arrives when the next one has written it
// already: it is known by its id.
func TestSpoolKnowsWhatArrivesLate(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		r.set(func() { r.hangs = true })
		r.Note(Event{Path: "1"})
		r.Note(Event{Path: "2"})
		goes()
		r.kill()
		next := s.start()
		goes()
		if len(r.sent) == 0 {
			t.Fatal("nothing was sent")
		}
		for _, arrives := range r.sent {
			if err := arrives(); err != nil {
				t.Error(err)
			}
		}
		record(t, next.Log, Event{Path: "3"})
		want(t, paths(t, next.Log), "1", "2", "3")
		wantWhole(t, next.Log)
		next.stop()
	})
}

// What went from the spool at once, and was under way when the run was killed, arrives
// when the next one has written it, with what was kept behind it meanwhile: once.
func TestSpoolKnowsWhatItHadSentOn(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		r.set(func() { r.away = true })
		for i := 1; i < 4; i++ {
			r.Note(Event{Path: fmt.Sprint(i)})
			goes()
		}
		r.set(func() { r.away, r.slow = false, 2*time.Second })
		time.Sleep(pause + pause/2) // what is first is on its way, and arrives
		r.set(func() { r.sent, r.hangs, r.slow = nil, true, 0 })
		time.Sleep(3 * time.Second) // and the others are
		r.Note(Event{Path: "4"})
		goes()
		r.kill()
		next := s.start()
		goes()
		want(t, paths(t, next.Log), "1", "2", "3", "4")
		if len(r.sent) != 1 {
			t.Fatalf("%d were sent", len(r.sent))
		}
		if err := r.sent[0](); err != nil {
			t.Error(err)
		}
		want(t, paths(t, next.Log), "1", "2", "3", "4")
		wantWhole(t, next.Log)
		next.stop()
	})
}

// The end of a run while the store is away loses nothing and waits for nobody.
func TestSpoolTakesWhatIsLeftAtTheEnd(t *testing.T) {
	for name, set := range map[string]func(*run){"away": func(r *run) { r.away = true }, "hangs": func(r *run) { r.hangs = true }} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				r := s.start()
				r.set(func() { set(r) })
				r.Note(Event{Path: "1"})
				p := r.PutSoon(Event{Path: "2"})
				began := time.Now()
				r.stop()
				if took := time.Since(began); took > noteDurable {
					t.Errorf("it took %v", took)
				}
				if err := p.Durable(t.Context()); err != nil {
					t.Errorf("durable: %v", err)
				}
				r = s.start()
				goes()
				want(t, paths(t, r.Log), "1", "2")
				wantWhole(t, r.Log)
				r.stop()
			})
		})
	}
}

// A spool has an end: from there on nothing is begun that leaves an event, and what
// was begun waits in memory, within bounds, as without a spool.
func TestSpoolIsFull(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start(func(c *Config) { c.SpoolSize = 10_000 })
		r.set(func() { r.away = true })
		n := 0
		for ; r.Behind() == nil && n < 100; n++ {
			r.Note(Event{Path: fmt.Sprint(n)})
			goes()
		}
		if !errors.Is(r.Behind(), errSpoolFull) {
			t.Fatalf("after %d events: %v", n, r.Behind())
		}
		for ; n < 100; n++ {
			r.Note(Event{Path: fmt.Sprint(n)})
		}
		goes()
		if err := r.Record(t.Context(), Event{Path: "refused"}); !errors.Is(err, errSpoolFull) || !errors.Is(err, state.ErrAway) {
			t.Errorf("record: %v", err)
		}
		r.set(func() { r.away = false })
		goes()
		got := paths(t, r.Log)
		if len(got) != 100 || got[0] != "0" || got[99] != "99" {
			t.Errorf("%d events: %q", len(got), got)
		}
		if r.Behind() != nil || s.spooled() {
			t.Errorf("behind %v, spooled %v", r.Behind(), s.spooled())
		}
		wantWhole(t, r.Log)
		r.stop()
	})
}

// Where the disk of the spool fails it is as without one, and it is tried again.
func TestSpoolOnADiskThatFails(t *testing.T) {
	errDisk := errors.New("input/output error")
	for _, unsure := range []bool{false, true} {
		t.Run(fmt.Sprint("unsure ", unsure), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *site) {
				r := s.start()
				r.set(func() { r.away, r.disk, r.unsure = true, errDisk, unsure })
				r.Note(Event{Path: "1"})
				goes()
				if err := r.Record(t.Context(), Event{Path: "refused"}); !errors.Is(err, errDisk) && !errors.Is(err, state.ErrAway) {
					t.Errorf("record: %v", err)
				}
				goes()
				if !errors.Is(r.Behind(), errDisk) {
					t.Errorf("behind: %v", r.Behind())
				}
				r.set(func() { r.disk = nil })
				r.Note(Event{Path: "2"})
				goes()
				if r.Behind() != nil {
					t.Errorf("behind: %v", r.Behind())
				}
				r.kill()
				r = s.start()
				goes()
				want(t, paths(t, r.Log), "1", "2")
				wantWhole(t, r.Log)
				r.stop()
			})
		})
	}
}

// A store that is slow takes everything in the end, with no more to come, where the
// disk of the spool takes nothing.
func TestSpoolFailsBesideASlowStore(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		r.set(func() { r.slow, r.disk = 2*time.Second, errors.New("input/output error") })
		r.Note(Event{Path: "1"})
		time.Sleep(noteDelay + time.Millisecond)
		r.Note(Event{Path: "2"})
		time.Sleep(10 * time.Second)
		r.set(func() { r.slow = 0 })
		want(t, paths(t, r.Log), "1", "2")
		r.stop()
	})
}

// Somebody who follows sees each once, in the run that kept it and in the one after it.
func TestFollowersSeeWhatWasSpooledOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		ctx, cancel := context.WithCancel(t.Context())
		follow := r.Follow(ctx)
		record(t, r.Log, Event{Path: "before"})
		r.set(func() { r.away = true })
		r.Note(Event{Path: "1", After: map[string]any{"size": 1}})
		goes()
		r.Note(Event{Path: "2"})
		goes()
		r.set(func() { r.away = false })
		goes()
		record(t, r.Log, Event{Path: "3"})
		synctest.Wait()
		var got []string
		for len(follow) > 0 {
			e := <-follow
			got = append(got, fmt.Sprint(e.Position, e.Path, e.After))
		}
		want(t, got, "1beforemap[]", "21map[size:1]", "32map[]", "43map[]")
		cancel()
		r.stop()
	})
}

// Who asks by time finds events that came days later than they happened.
func TestQueriesFindWhatCameLate(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		r.set(func() { r.away = true })
		began := time.Now()
		r.Note(Event{Path: "late"})
		goes()
		r.kill()
		time.Sleep(72 * time.Hour)
		r = s.start()
		goes()
		for range 3 {
			record(t, r.Log, Event{Path: "new"})
			time.Sleep(2 * time.Hour)
		}
		for _, oldest := range []bool{false, true} {
			found, _, err := r.List(t.Context(), Query{Since: began.Add(-time.Hour), Until: began.Add(time.Hour), Oldest: oldest})
			if err != nil || len(found) != 1 || found[0].Path != "late" {
				t.Errorf("oldest %v: %+v, %v", oldest, found, err)
			}
		}
		wantWhole(t, r.Log)
		r.stop()
	})
}

// The end of the spool was torn: what stood before it goes into the trail.
func TestSpoolWithATornEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		r := s.start()
		r.set(func() { r.away = true })
		for i := range 3 {
			r.Note(Event{Path: fmt.Sprint(i)})
			goes()
		}
		r.kill()
		files, err := filepath.Glob(filepath.Join(s.dir, "*", "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%q, %v", files, err)
		}
		info, err := os.Stat(files[0])
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		tear(t, files[0], `"path":"2"`)
		r = s.start()
		record(t, r.Log, Event{Path: "after"})
		goes()
		want(t, paths(t, r.Log), "0", "1", "after")
		wantWhole(t, r.Log)
		r.stop()
	})
}

// tear cuts a file off amid a text.
func tear(t *testing.T, file, text string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(content, []byte(text))
	if at < 0 {
		t.Fatalf("%q is not kept", text)
	}
	if err := os.WriteFile(file, content[:at+1], 0o600); err != nil {
		t.Fatal(err)
	}
}
