package guard_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// Power is cut after each step of each change. Under close whatever has put
// something under a name, and was acknowledged, is there and whole; under always
// every change is. What is not acknowledged yet has done no harm to what was.
func TestPowerCut(t *testing.T) {
	for _, sync := range []string{mount.SyncClose, mount.SyncAlways} {
		for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
			t.Run(sync+" "+string(how), func(t *testing.T) {
				o := newOutage(t, sync, how)
				inPlace := how == policy.InPlace
				for _, deeds := range [][]deed{storing(inPlace), replacing(inPlace), changing()} {
					o.plays(deeds...)
				}
			})
		}
	}
}

// Where nothing is promised nothing is waited for.
func TestNothingIsSynced(t *testing.T) {
	o := newOutage(t, mount.SyncNone, policy.Atomic)
	for _, deeds := range [][]deed{storing(false), replacing(false), changing()} {
		o.plays(deeds...)
	}
	o.sync = mount.SyncClose // what was there before is still all that is sure
	o.may = map[string][]string{"/old": {holding("old")}, "/older": {holding("older")}, "/d": {folded}, "/d/in": {holding("in")}}
	if got := o.home(o.power.Least()); len(got) != len(o.may) {
		t.Errorf("synced although nobody asked for it: %v", got)
	}
}

func store(name, text string, inPlace bool) deed {
	d := deed{
		what:  "upload " + name,
		do:    func(u *user) error { return u.upload(name, text) },
		after: map[string]string{name: holding(text)},
	}
	if inPlace {
		d.inPlace = []string{name}
	}
	return d
}

func makes(name string) deed {
	return deed{
		what:  "mkdir " + name,
		do:    func(u *user) error { return u.Mkdir(u.w.t.Context(), tp(name), 0) },
		after: map[string]string{name: folded},
	}
}

func renames(from, to string, after map[string]string) deed {
	return deed{
		what:  "rename " + from + " to " + to,
		do:    func(u *user) error { return u.Rename(u.w.t.Context(), tp(from), tp(to), guard.ReplaceAny) },
		after: after,
		from:  from,
		to:    to,
	}
}

func copies(from, to string, after map[string]string) deed {
	return deed{
		what: "copy " + from + " to " + to,
		do: func(u *user) error {
			return u.Copy(u.w.t.Context(), tp(from), tp(to), guard.CopyHow{Replace: guard.ReplaceAny})
		},
		after: after,
	}
}

// inPlace does something while the account's uploads are in place.
func (u *user) inPlace(do func(*user) error) error {
	was := u.account.Uploads
	u.change(func(a *policy.Account) { a.Uploads = policy.InPlace })
	defer u.change(func(a *policy.Account) { a.Uploads = was })
	return do(u)
}

// storing puts new things under names.
func storing(inPlace bool) []deed {
	return []deed{
		store("/new", "new", inPlace),
		store("/empty", "", inPlace),
		makes("/m"),
		makes("/m/n"),
		store("/m/n/f", "far below", inPlace),
		store("/.tmp", "by way of another name", inPlace),
		renames("/.tmp", "/final", map[string]string{"/.tmp": gone, "/final": holding("by way of another name")}),
		renames("/m/n/f", "/f", map[string]string{"/m/n/f": gone, "/f": holding("far below")}),
		renames("/m", "/moved", map[string]string{"/m": gone, "/m/n": gone, "/moved": folded, "/moved/n": folded}),
		store("/moved/n/g", "in a folder that was moved", inPlace),
		copies("/f", "/copied", map[string]string{"/copied": holding("far below")}),
		copies("/moved", "/tree", map[string]string{
			"/tree": folded, "/tree/n": folded, "/tree/n/g": holding("in a folder that was moved"),
		}),
		{
			what:  "link /f",
			do:    func(u *user) error { return u.Link(u.w.t.Context(), tp("/f"), tp("/linked")) },
			after: map[string]string{"/linked": holding("far below")},
		},
		{
			what:  "symlink",
			do:    func(u *user) error { return u.Symlink(u.w.t.Context(), "f", tp("/leads")) },
			after: map[string]string{"/leads": "-> f"},
		},
		{
			what: "two writers, of whom one is done",
			do: func(u *user) error {
				return u.inPlace(twoWriters)
			},
			after:   map[string]string{"/both": holding("of both")},
			inPlace: []string{"/both"},
		},
		makes("/here"),
		{
			what:    "the folder of an upload is moved meanwhile",
			do:      func(u *user) error { return u.inPlace(movedMeanwhile) },
			after:   map[string]string{"/here": gone, "/here/f": gone, "/away": folded, "/away/f": holding("whole")},
			inPlace: []string{"/here/f", "/away/f"},
		},
	}
}

// twoWriters uploads a new file in place, and closes it while another writer, who
// made it, is still at it.
func twoWriters(u *user) error {
	first, err := u.Open(u.w.t.Context(), tp("/both"), guard.Open{Write: true, Create: true})
	if err != nil {
		return err
	}
	u.w.t.Cleanup(func() { _ = first.Close() })
	second, err := u.Open(u.w.t.Context(), tp("/both"), guard.Open{Write: true})
	if err != nil {
		return err
	}
	_, err = second.WriteAt([]byte("of both"), 0)
	return errors.Join(err, second.Close())
}

// movedMeanwhile uploads a new file in place; its folder moves while it is open.
func movedMeanwhile(u *user) error {
	ctx := u.w.t.Context()
	f, err := u.Open(ctx, tp("/here/f"), newFile)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("whole"), 0)
	return errors.Join(err, u.Rename(ctx, tp("/here"), tp("/away"), guard.KeepTarget), f.Close())
}

// replacing puts things in the place of others.
func replacing(inPlace bool) []deed {
	return []deed{
		store("/old", "replaced", inPlace),
		store("/.part", "next", inPlace),
		renames("/.part", "/old", map[string]string{"/.part": gone, "/old": holding("next")}),
		copies("/old", "/older", map[string]string{"/older": holding("next")}),
		renames("/tree", "/d", map[string]string{
			"/tree": gone, "/tree/n": gone, "/tree/n/g": gone,
			"/d": folded, "/d/in": gone, "/d/n": folded, "/d/n/g": holding("in a folder that was moved"),
		}),
		copies("/away", "/d", map[string]string{"/d": folded, "/d/n": gone, "/d/n/g": gone, "/d/f": holding("whole")}),
		copies("/f", "/d", map[string]string{"/d": holding("far below"), "/d/f": gone}),
		{
			what: "truncate /final",
			do: func(u *user) error {
				size := int64(2)
				return u.SetAttr(u.w.t.Context(), tp("/final"), backend.Attr{Size: &size})
			},
			after: map[string]string{"/final": holding("by")},
		},
	}
}

// changing does what always alone promises.
func changing() []deed {
	ofOld, mode := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), fs.FileMode(0o604)
	set := func(name string, a backend.Attr, is string) deed {
		return deed{
			what:   "attributes of " + name,
			do:     func(u *user) error { return u.SetAttr(u.w.t.Context(), tp(name), a) },
			after:  map[string]string{name: is},
			always: true,
		}
	}
	paint := func(name, is string) deed {
		return deed{
			what: "properties of " + name,
			do: func(u *user) error {
				return u.SetProperties(u.w.t.Context(), tp(name), map[string][]byte{"{x}color": []byte("red")})
			},
			after:  map[string]string{name: is},
			always: true,
		}
	}
	remove := func(name string, do func(*user, path.Path) error, names ...string) deed {
		d := deed{
			what:   "remove " + name,
			do:     func(u *user) error { return do(u, tp(name)) },
			after:  map[string]string{name: gone},
			always: true,
		}
		for _, n := range names {
			d.after[n] = gone
		}
		return d
	}
	return []deed{
		set("/new", backend.Attr{Modified: &ofOld}, holding("new")+" of old"),
		set("/new", backend.Attr{Mode: &mode}, holding("new")+" 0604 of old"),
		paint("/new", holding("new")+" 0604 of old in red"),
		set("/away", backend.Attr{Modified: &ofOld}, folded+" of old"),
		paint("/away", folded+" of old in red"),
		{
			what: "attributes of /old through a handle for reading",
			do: func(u *user) error {
				f, err := u.Open(u.w.t.Context(), tp("/old"), guard.Open{Read: true})
				if err != nil {
					return err
				}
				return errors.Join(f.SetAttr(backend.Attr{Modified: &ofOld}), f.Close())
			},
			after:  map[string]string{"/old": holding("next") + " of old"},
			always: true,
		},
		{
			what: "a lock where nothing is",
			do: func(u *user) error {
				_, _, err := u.Lock(u.w.t.Context(), tp("/locked"), guard.LockRequest{})
				return err
			},
			after:  map[string]string{"/locked": holding("")},
			always: true,
		},
		remove("/linked", func(u *user, p path.Path) error { return u.Remove(u.w.t.Context(), p) }),
		remove("/moved/n/g", func(u *user, p path.Path) error { return u.Remove(u.w.t.Context(), p) }),
		remove("/moved/n", func(u *user, p path.Path) error { return u.RemoveDir(u.w.t.Context(), p) }),
		remove("/away", func(u *user, p path.Path) error { return u.RemoveAll(u.w.t.Context(), p) }, "/away/f"),
	}
}
