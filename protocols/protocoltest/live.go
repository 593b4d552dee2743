package protocoltest

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

var liveCases = []testCase{
	{name: "live/disabled", run: cutBy(false, func(s *suite, p Person) { s.Disable(p.Name) })},
	{name: "live/deleted", run: cutBy(false, func(s *suite, p Person) {
		_, err := s.Accounts.Delete(s.T.Context(), p.Name, 0, accounts.Forced)
		s.must(err)
	})},
	{name: "live/password changed", run: cutBy(false, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) {
			changed, err := s.Auth.NewPassword(s.T.Context(), *a, "another password")
			s.must(err)
			a.Password = changed
		})
	})},
	{name: "live/key removed", needs: func(d Door) bool { return d.Keys }, run: cutBy(true, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.Keys = nil })
	})},
	{name: "live/allow list of the account", run: cutBy(false, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.AllowedIPs = elsewhere() })
	})},
	{name: "live/allow list of the site", run: cutBy(false, func(s *suite, _ Person) {
		s.Change("bob", func(a *accounts.Account) { a.Bypass = true })
		s.SetSite(func(p *policy.Site) { p.AllowedIPs = elsewhere() })
	})},
	{name: "live/the door is closed to it", run: cutBy(false, func(s *suite, p Person) {
		s.Change(p.Name, func(a *accounts.Account) { a.Protocols = []policy.Door{policy.API} })
	})},
	{name: "live/expiry comes", run: cutBy(false, func(s *suite, p Person) {
		end := time.Now().Add(400 * time.Millisecond)
		s.Change(p.Name, func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: end} })
		time.Sleep(time.Until(end))
	})},
	{name: "live/session ended", run: endedSession},
	{name: "live/a grant is taken away", run: revokedGrant},
	{name: "live/less is granted", run: reducedGrant},
	{name: "live/more is granted", run: moreGranted},
	{name: "live/a client that waits", run: idleIsCut},
	{name: "live/an aborted upload", run: abortedUpload, arrange: atomicUploads},
}

func elsewhere() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }

// bigSize is more than all that sockets, windows and clients buffer on the way to
// a reader that has stopped; a writer that has stopped sends less.
const (
	bigSize  = 12 << 20
	sentSize = 4 << 20
)

// bigContent is what a stopped reader reads, and its beginning what a stopped writer
// sends. Nobody changes it.
var bigContent = sync.OnceValue(func() []byte { return pattern(bigSize) })

// placeBig has a big file lie on disk.
func (s *suite) placeBig(tree string) (content []byte) {
	s.T.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.OnDisk(tree)), 0o750))
	s.must(os.WriteFile(s.OnDisk(tree), bigContent(), 0o640))
	return bigContent()
}

// A transfer has begun and does not go on: the client has stopped reading, or
// has nothing to send.
type transfer struct {
	s       *suite
	what    string
	release func()
	end     func() error // after release: nil where it was whole
}

// download begins to read and stops.
func (v *visitor) download(name string, want []byte) *transfer {
	v.s.T.Helper()
	r, err := v.Get(name, 0)
	v.must("get "+name, err)
	head := make([]byte, 1000)
	v.must("read "+name, v.s.bounded("read", func() error { _, err := io.ReadFull(r, head); return err }))
	return &transfer{v.s, v.name + " gets " + name, func() {}, func() error {
		rest, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		if !equal(append(head, rest...), want) {
			return errors.New("it was cut short")
		}
		return nil
	}}
}

// upload sends some and stops.
func (v *visitor) upload(name string, content []byte) *transfer {
	v.s.T.Helper()
	src := &stalling{content: content, until: len(content) / 2, stalled: make(chan struct{}), released: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- v.Put(name, src) }()
	select {
	case <-src.stalled:
	case err := <-done:
		v.s.T.Fatalf("%s: put %s ended early: %v", v.name, name, err)
	case <-time.After(patience):
		v.s.T.Fatalf("%s: put %s takes nothing", v.name, name)
	}
	v.s.T.Cleanup(src.release)
	v.s.within(patience, name+" is written to", v.s.isWritten)
	return &transfer{v.s, v.name + " puts " + name, src.release, func() error { return <-done }}
}

// A stalling reader yields some of its content, and the rest when released.
type stalling struct {
	content           []byte
	at, until         int
	stalled, released chan struct{}
	once, twice       sync.Once
}

func (r *stalling) release() { r.twice.Do(func() { close(r.released) }) }

func (r *stalling) Read(p []byte) (int, error) {
	if r.at >= r.until {
		r.once.Do(func() { close(r.stalled) })
		<-r.released
		r.until = len(r.content)
	}
	if r.at == len(r.content) {
		return 0, io.EOF
	}
	n := copy(p, r.content[r.at:r.until])
	r.at += n
	return n, nil
}

// goesOn asks that a transfer ends whole.
func (t *transfer) goesOn() {
	t.s.T.Helper()
	t.release()
	if err := t.s.bounded(t.what, t.end); err != nil {
		t.s.T.Errorf("%s: %v, want that it goes on to its end", t.what, err)
	}
}

// wasCut asks that a transfer ends with an error.
func (t *transfer) wasCut() {
	t.s.T.Helper()
	t.release()
	if err := t.s.bounded(t.what, t.end); err == nil {
		t.s.T.Errorf("%s: it came to its end, want that it is cut", t.what)
	}
}

// isOpen reports whether this process has a file of the mount open.
func (s *suite) isOpen(tree string) bool { return slices.Contains(s.open(), tree) }

// isWritten reports whether it has one open that is none of the big files: an upload's.
func (s *suite) isWritten() bool {
	return slices.ContainsFunc(s.open(), func(p string) bool { return filepath.Base(p) != "big" })
}

// A cutting is a case in which a change cuts all that ann does, at once, and
// nothing of what bob does.
type cutting struct {
	// login says with what ann comes in; nil is her password.
	login  func(*suite, Person) Login
	change func(*suite, Person)
	// alone says that the change concerns everyone, so that there is no bob.
	alone bool
	// idle says that bob only looks on, which takes less time.
	idle bool
}

// cutBy is a cutting of whoever came with a password or a key.
func cutBy(withKey bool, change func(*suite, Person)) func(*suite) {
	return cutting{login: func(_ *suite, p Person) Login { return Login{Person: p, WithKey: withKey} }, change: change}.run
}

// cutBriefly is cutBy with an idle bob.
func cutBriefly(withKey bool, change func(*suite, Person)) func(*suite) {
	return cutting{login: func(_ *suite, p Person) Login { return Login{Person: p, WithKey: withKey} }, change: change}.brief
}

func (c cutting) brief(s *suite) {
	c.idle = true
	c.run(s)
}

func (c cutting) run(s *suite) {
	a, b := s.Add("ann"), s.Add("bob")
	content := s.placeBig("/home/ann/big")
	l := Login{Person: a}
	if c.login != nil {
		l = c.login(s, a)
	}
	ann, other := s.enterWith(l), s.enterWith(l)
	var bob *visitor
	var own *transfer
	if !c.alone {
		bob = s.enter(b)
		bob.lists("/")
	}
	if bob != nil && !c.idle {
		own = bob.download("/big", s.placeBig("/home/bob/big"))
	}
	down := ann.download("/big", content)
	up := other.upload("/new", content[:sentSize])
	s.within(patience, "what is read is open on disk", func() bool { return s.isOpen("/home/ann/big") })
	c.change(s, a)
	s.within(soon, "everything of ann's is let go", func() bool {
		return !slices.ContainsFunc(s.open(), func(p string) bool { return p != "/home/bob/big" })
	})
	if s.T.Failed() {
		s.T.Logf("open on disk: %q", s.open())
	}
	s.within(soon, "ann's sessions are gone", func() bool { return len(s.of("ann")) == 0 })
	down.wasCut()
	up.wasCut()
	if own != nil {
		own.goesOn()
	}
	if bob != nil {
		bob.mustPut("/after", "bob goes on")
	}
	s.staysOut(l, ann, other)
}

// staysOut asks that nothing more is done with what was cut, and that the same
// login is refused now.
func (s *suite) staysOut(l Login, cut ...*visitor) {
	s.T.Helper()
	for _, v := range cut {
		if _, err := v.names("/"); err == nil {
			s.T.Error("ann can still list")
		}
		if err := v.put("/more", "x"); err == nil {
			s.T.Error("ann can still put")
		}
	}
	if c, err := s.dial(l); err == nil {
		_, err = c.List("/")
		_ = c.Close()
		if err == nil {
			s.T.Error("ann came in again")
		}
	}
	if _, there := s.Read("/home/ann/more"); there {
		s.T.Error("ann wrote a file afterwards")
	}
}

func endedSession(s *suite) {
	a, b := s.Add("ann"), s.Add("bob")
	content := s.placeBig("/home/ann/big")
	s.placeBig("/home/bob/big")
	ann, bob := s.enter(a), s.enter(b)
	own, down := bob.download("/big", content), ann.download("/big", content)
	list := s.of("ann")
	if len(list) != 1 || !s.end(list[0].ID) {
		s.T.Fatalf("sessions of ann: %+v, want one that can be ended", list)
	}
	s.within(soon, "the file is let go", func() bool { return !s.isOpen("/home/ann/big") })
	down.wasCut()
	own.goesOn()
	s.enter(a).lists("/", "big")
}

// shareBig makes a folder with a big file that ann has by a grant, and a big
// file at home.
func shareBig(s *suite, rights policy.Permissions) (ann Person, grant string, content []byte) {
	s.T.Helper()
	ann = s.Add("ann")
	content = s.placeBig("/pub/big")
	s.placeBig("/home/ann/big")
	return ann, s.Grant("ann", "/pub", rights, "pub"), content
}

func revokedGrant(s *suite) {
	a, grant, content := shareBig(s, policy.Full)
	one, two, three := s.enter(a), s.enter(a), s.enter(a)
	own := three.download("/big", content)
	down := one.download("/pub/big", content)
	up := two.upload("/pub/new", content[:sentSize])
	s.Revoke("ann", grant)
	s.within(soon, "what the grant allowed is let go", func() bool {
		return !slices.ContainsFunc(s.open(), func(p string) bool { return p != "/home/ann/big" })
	})
	if s.T.Failed() {
		s.T.Logf("open on disk: %q", s.open())
	}
	down.wasCut()
	up.wasCut()
	own.goesOn()
	ann := s.enter(a)
	ann.lists("/", "big")
	_, err := ann.get("/pub/big")
	ann.refused("get", err, ErrNotFound)
	ann.mustPut("/after", "ann goes on")
}

func reducedGrant(s *suite) {
	a, _, content := shareBig(s, policy.Full)
	one, two := s.enter(a), s.enter(a)
	down := one.download("/pub/big", content)
	up := two.upload("/pub/new", content[:sentSize])
	s.Change("ann", func(a *accounts.Account) { a.Grants[0].Permissions = policy.ReadOnly })
	s.within(soon, "the upload is let go", func() bool {
		return !slices.ContainsFunc(s.open(), func(p string) bool { return p != "/pub/big" })
	})
	up.wasCut()
	down.goesOn()
	ann := s.enter(a)
	ann.refused("put", ann.put("/pub/another", "x"), ErrDenied)
}

func moreGranted(s *suite) {
	s.Write("/pub/f", "public")
	ann := s.enter(s.Add("ann"))
	ann.lists("/")
	s.Grant("ann", "/pub", policy.Full, "pub")
	s.within(soon, "the folder appears in the open session", func() bool {
		names, err := ann.names("/")
		return err == nil && slices.Equal(names, []string{"pub/"})
	})
	ann.holds("/pub/f", "public")
	ann.mustPut("/pub/g", "new")
}

func idleIsCut(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.lists("/")
	if len(s.of("ann")) != 1 {
		s.T.Fatalf("sessions of ann: %+v, want one", s.of("ann"))
	}
	s.Disable("ann")
	s.within(soon, "the session is gone", func() bool { return len(s.of("ann")) == 0 })
	if _, err := ann.names("/"); err == nil {
		s.T.Error("ann can still list")
	}
}

// The client goes away in the middle of an upload that is to be atomic.
func abortedUpload(s *suite) {
	ann := s.enter(s.Add("ann"))
	ann.mustPut("/f", "old")
	up := ann.upload("/f", bigContent()[:sentSize])
	if err := ann.Close(); err != nil {
		s.T.Logf("close: %v", err)
	}
	// Only then the rest is released: a client library that is still closing its
	// connection would send it, and the upload would be whole.
	s.within(patience, "nothing is staged any more", s.nothingStaged)
	up.wasCut()
	s.onDisk("/home/ann/f", "old")
}
