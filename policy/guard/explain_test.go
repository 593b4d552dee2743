package guard_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
)

// A prediction is what explain says of a rename or copy, and what then happens.
type prediction struct {
	from, to string
	replace  guard.Replace
	rule     policy.Rule
	judged   string
	obstacle error
	locked   bool
}

// explained asks first, and does it then: both must agree.
func (w *world) explained(u *user, op policy.Operation, name string, p prediction) {
	w.t.Helper()
	q := guard.Move{Op: op, From: tp(p.from), To: tp(p.to), Replace: p.replace}
	got, err := w.tree.ExplainMove(w.t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, q)
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
		return
	}
	if got.Rule != p.rule || got.Judged.String() != p.judged || !errors.Is(got.Obstacle, p.obstacle) || (got.Lock != nil) != p.locked {
		w.t.Errorf("%s: got rule %s on %s, obstacle %v, lock %v, want %+v", name, got.Rule, got.Judged, got.Obstacle, got.Lock, p)
	}
	if op == policy.OpCopy {
		err = u.Copy(w.t.Context(), q.From, q.To, guard.CopyHow{Replace: q.Replace})
	} else {
		err = u.Rename(w.t.Context(), q.From, q.To, q.Replace)
	}
	if (err == nil) != got.Done() {
		w.t.Errorf("%s: %v, and explain says %+v", name, err, got)
	}
	if p.obstacle != nil && !errors.Is(err, p.obstacle) {
		w.t.Errorf("%s: %v, want %v", name, err, p.obstacle)
	}
}

// house is a tree in which much can stand in the way.
func (w *world) house() {
	w.folder("/groups/team/d")
	w.put("/groups/team/f", "f")
	w.put("/home/ann/f", "f")
	w.put("/home/ann/g", "g")
	w.put("/home/ann/d/e/f", "f")
	w.folder("/home/ann/empty")
	w.put("/home/ann/rich/f", "f")
	w.put("/home/ann/held/f", "f")
	w.limit("/home/ann/rich", 100, 100)
	w.limit("/home/ann/future/in", 100, 100)
	w.link("d", "/home/ann/way")
	w.link("../../secret", "/home/ann/out")
	w.put("/secret/f", "f")
	w.put("/public/f", "f")
	w.put("/drop/f", "f")
	_, err := w.locks.Lock(w.t.Context(), locks.Request{Path: tp("/home/ann/held/f"), AccountID: "id-bob", Account: "bob", Door: "webdav"})
	w.must(err)
}

func (w *world) inHouse(options ...option) *user {
	return w.user("ann", append([]option{
		grantedAt("/groups/team", policy.Full, "team"), grantedAt("/public", policy.ReadOnly, "public"),
		grantedAt("/drop", policy.Create|policy.Delete|policy.List, "drop"), grantedAt("/mnt", policy.Full, "mnt"),
	}, options...)...)
}

func TestExplainRename(t *testing.T) {
	for name, p := range map[string]prediction{
		"a file":                          {"/f", "/new", 0, "home", "/home/ann/new", nil, false},
		"a folder":                        {"/d", "/empty/d", 0, "home", "/home/ann/empty/d", nil, false},
		"into a shared folder":            {"/f", "/team/new", 0, "grant", "/groups/team/new", nil, false},
		"onto a file":                     {"/f", "/g", guard.ReplaceFile, "home", "/home/ann/g", nil, false},
		"onto a file that stays":          {"/f", "/g", 0, "home", "/home/ann/g", fs.ErrExist, false},
		"a file onto a folder":            {"/f", "/empty", guard.ReplaceFile, "home", "/home/ann/empty", backend.ErrIsDir, false},
		"a folder onto a file":            {"/d", "/f", guard.ReplaceFile, "home", "/home/ann/f", backend.ErrNotDir, false},
		"a folder onto a folder":          {"/d", "/empty", guard.ReplaceAny, "home", "/home/ann/empty", nil, false},
		"into itself":                     {"/d", "/d/e/d", 0, "home", "/home/ann/d/e/d", fs.ErrInvalid, false},
		"to itself":                       {"/f", "/f", guard.ReplaceFile, "home", "/home/ann/f", fs.ErrInvalid, false},
		"what is not there":               {"/none", "/new", 0, "home", "/home/ann/new", fs.ErrNotExist, false},
		"to where no folder is":           {"/f", "/none/f", 0, "home", "/home/ann/none/f", fs.ErrNotExist, false},
		"to below a file":                 {"/f", "/g/f", 0, "home", "/home/ann/g/f", fs.ErrNotExist, false},
		"from a read-only folder":         {"/public/f", "/new", 0, "no-grant", "/public/f", nil, false},
		"into a read-only folder":         {"/f", "/public/f2", 0, "no-grant", "/public/f2", nil, false},
		"to where it could be read":       {"/drop/f", "/new", 0, "widens", "/home/ann/new", nil, false},
		"the root":                        {"/", "/team/root", 0, "home", "/home/ann", nil, true},
		"the shared folder":               {"/team", "/mine", 0, "home", "/groups/team", nil, false},
		"onto the shared folder":          {"/d", "/team", guard.ReplaceAny, "home", "/groups/team", nil, false},
		"a folder with a quota":           {"/rich", "/poor", 0, "home", "/home/ann/poor", backend.ErrUnsupported, false},
		"to where a quota stands below":   {"/d", "/future", 0, "home", "/home/ann/future", backend.ErrUnsupported, false},
		"what a quota folder holds":       {"/rich/f", "/poor", 0, "home", "/home/ann/poor", nil, false},
		"onto a folder with a quota":      {"/d", "/rich", guard.ReplaceAny, "home", "/home/ann/rich", nil, false},
		"a folder with a locked file":     {"/held", "/free", 0, "home", "/home/ann/free", nil, true},
		"onto a locked file":              {"/f", "/held/f", guard.ReplaceFile, "home", "/home/ann/held/f", nil, true},
		"a locked file that is denied":    {"/held/f", "/public/f", guard.ReplaceFile, "no-grant", "/public/f", nil, true},
		"through a link":                  {"/way/e", "/e", 0, "home", "/home/ann/e", nil, false},
		"a link itself":                   {"/out", "/empty/out", 0, "home", "/home/ann/empty/out", nil, false},
		"through a link that leads out":   {"/out/f", "/new", 0, "no-grant", "/secret/f", nil, false},
		"to behind a link that leads out": {"/f", "/out/new", 0, "no-grant", "/secret/new", nil, false},
		"to another mount":                {"/f", "/mnt/two/new", 0, "grant", "/mnt/two/new", backend.ErrCrossMount, false},
		"a mount point":                   {"/mnt/two", "/mnt/three", 0, "grant", "/mnt/three", backend.ErrBusy, false},
		"onto a mount point":              {"/d", "/mnt/two", guard.ReplaceAny, "grant", "/mnt/two", backend.ErrBusy, false},
		"to a name of the gateway's":      {"/mnt/two/f", "/mnt/two/" + mount.Reserved, 0, "grant", "/mnt/two/" + mount.Reserved, fs.ErrInvalid, false},
	} {
		w := newWorldWith(t, map[string]string{"/mnt/two": t.TempDir()})
		w.house()
		u := w.inHouse()
		w.must(u.upload("/mnt/two/f", "f"))
		w.explained(u, policy.OpRename, name, p)
	}
}

func TestExplainCopy(t *testing.T) {
	for name, p := range map[string]prediction{
		"a file":                     {"/f", "/new", 0, "home", "/home/ann/new", nil, false},
		"from a read-only folder":    {"/public/f", "/new", 0, "home", "/home/ann/new", nil, false},
		"a read-only folder":         {"/public", "/new", 0, "home", "/home/ann/new", nil, false},
		"from where nothing is read": {"/drop/f", "/new", 0, "no-grant", "/drop/f", nil, false},
		"a folder with a quota":      {"/rich", "/poor", 0, "home", "/home/ann/poor", nil, false},
		"what a lock holds":          {"/held/f", "/free", 0, "home", "/home/ann/free", nil, false},
		"onto what a lock holds":     {"/f", "/held/f", guard.ReplaceFile, "home", "/home/ann/held/f", nil, true},
		"what a link leads to":       {"/way/e/f", "/new", 0, "home", "/home/ann/new", nil, false},
		"a link that leads out":      {"/out", "/new", 0, "no-grant", "/secret", nil, false},
		"to another mount":           {"/d", "/mnt/two/d", 0, "grant", "/mnt/two/d", nil, false},
		"onto a mount point":         {"/d", "/mnt/two", guard.ReplaceAny, "grant", "/mnt/two", backend.ErrBusy, false},
		"onto what stays":            {"/f", "/g", 0, "home", "/home/ann/g", fs.ErrExist, false},
		"what is not there":          {"/none", "/new", 0, "home", "/home/ann/new", fs.ErrNotExist, false},
	} {
		w := newWorldWith(t, map[string]string{"/mnt/two": t.TempDir()})
		w.house()
		w.explained(w.inHouse(), policy.OpCopy, name, p)
	}
}

// A name that the site does not take is told as such.
func TestExplainNames(t *testing.T) {
	w := newWorld(t)
	w.house()
	w.site.Names = policy.NamesPortable
	w.explained(w.inHouse(), policy.OpRename, "con", prediction{"/f", "/con", 0, "names", "/home/ann/con", nil, false})
}

// WebDAV moves between mounts by copying: what it may copy it may move so.
func TestExplainMovesBetweenMounts(t *testing.T) {
	w := newWorldWith(t, map[string]string{"/mnt/two": t.TempDir()})
	w.house()
	u := w.inHouse()
	ask := func(from string, d policy.Door) guard.Explained {
		t.Helper()
		q := guard.Move{Op: policy.OpRename, From: tp(from), To: tp("/mnt/two/new")}
		got, err := w.tree.ExplainMove(t.Context(), guard.Config{Effective: u.effective(), Door: d}, guard.WholeTree, q)
		w.must(err)
		return got
	}
	if got := ask("/f", policy.FTP); got.Done() || !errors.Is(got.Obstacle, backend.ErrCrossMount) {
		t.Errorf("FTP: %+v", got)
	}
	if got := ask("/f", policy.WebDAV); !got.Done() {
		t.Errorf("WebDAV: %+v", got)
	}
	if got := ask("/drop/f", policy.WebDAV); got.Done() || got.Allowed {
		t.Errorf("WebDAV, without read: %+v", got)
	}
}

// The answer names the path as the account sees it and as the tree has it, and
// the shared folder between them.
func TestExplainNamesBothPaths(t *testing.T) {
	w := newWorld(t)
	w.house()
	u := w.inHouse()
	c := guard.Config{Effective: u.effective(), Door: policy.FTP}
	got, err := w.tree.Explain(t.Context(), c, guard.WholeTree, policy.OpRead, tp("/team/f"))
	w.must(err)
	if got.Seen != tp("/team/f") || got.Asked != tp("/groups/team/f") || got.Judged != got.Asked || !got.There ||
		got.Entry == nil || got.Entry.Name != "team" || got.Entry.Path != tp("/groups/team") || got.Entry.Origin != policy.OriginAccount {
		t.Errorf("got %+v", got)
	}
	got, err = w.tree.Explain(t.Context(), c, guard.WholeTree, policy.OpRead, tp("/out/f"))
	w.must(err)
	if got.Allowed || got.Asked != tp("/home/ann/out/f") || got.Real != tp("/secret/f") || got.Judged != got.Real || got.Entry != nil {
		t.Errorf("got %+v", got)
	}
	got, err = w.tree.ExplainMove(t.Context(), c, guard.WholeTree, guard.Move{Op: policy.OpRename, From: tp("/way/e/f"), To: tp("/team/new")})
	w.must(err)
	if got.Asked != tp("/home/ann/way/e/f") || got.Real != tp("/home/ann/d/e/f") || got.To == nil || got.To.Entry == nil ||
		got.To.Asked != tp("/groups/team/new") || got.To.Seen != tp("/team/new") || got.To.There {
		t.Errorf("got %+v to %+v", got, got.To)
	}
	if _, err := w.tree.ExplainMove(t.Context(), c, guard.WholeTree, guard.Move{Op: policy.OpRead, From: tp("/f"), To: tp("/g")}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a read between two paths: %v", err)
	}
	for tree, want := range map[string]string{"/groups/team/f": "/team/f", "/home/ann/f": "/f", "/secret/f": ""} {
		seen, ok, err := w.tree.Seen(t.Context(), c, tp(tree))
		w.must(err)
		if ok != (want != "") || ok && seen != tp(want) {
			t.Errorf("%s is seen as %s, %v", tree, seen, ok)
		}
	}
	// An own folder of the same name is what explain means, as the door does.
	w.folder("/home/ann/team")
	got, err = w.tree.Explain(t.Context(), c, guard.WholeTree, policy.OpList, tp("/team"))
	w.must(err)
	if got.Entry != nil || got.Asked != tp("/home/ann/team") {
		t.Errorf("got %+v", got)
	}
	if _, ok, err := w.tree.Seen(t.Context(), c, tp("/groups/team/f")); ok || err != nil {
		t.Errorf("the folder behind it is seen: %v", err)
	}
	if (guard.Spot{}).Seen != path.Root {
		t.Error("the zero spot is not the root")
	}
}

// Explaining leaves everything as it is, and no event.
func TestExplainDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.house()
	u := w.inHouse()
	for _, op := range []policy.Operation{policy.OpRename, policy.OpCopy} {
		q := guard.Move{Op: op, From: tp("/d"), To: tp("/rich"), Replace: guard.ReplaceAny}
		if _, err := w.tree.ExplainMove(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP, Report: u.note}, guard.WholeTree, q); err != nil {
			t.Fatal(err)
		}
	}
	if !w.exists("/home/ann/d/e/f") || !w.exists("/home/ann/rich/f") || len(u.take()) > 0 {
		t.Error("something happened")
	}
	w.checkQuota("/home/ann/rich")
}

// One path is judged as the operations judge it: what the account stands on, the
// whole of a tree, and where links lead.
func TestExplainOnePath(t *testing.T) {
	w := newWorld(t)
	w.house()
	w.folder("/flat/sub")
	u := w.inHouse(func(a *policy.Account, _ *guard.Config) {
		a.Grants = append(a.Grants, policy.Grant{ID: "flat", Path: tp("/flat"), Permissions: policy.Full, At: "flat"})
	})
	for _, tt := range []struct {
		op     policy.Operation
		at     string
		may    bool
		rule   policy.Rule
		judged string
	}{
		{policy.OpDelete, "/", false, policy.RuleHome, "/home/ann"},
		{policy.OpDelete, "/team", false, policy.RuleHome, "/groups/team"},
		{policy.OpDelete, "/d", true, policy.RuleHome, "/home/ann/d"},
		{policy.OpDelete, "/public", false, policy.RuleHome, "/public"},
		{policy.OpDelete, "/team/d", true, policy.RuleGrant, "/groups/team/d"},
		{policy.OpDelete, "/flat/sub", false, policy.RuleNoGrant, "/flat/sub"},
		{policy.OpList, "/flat/sub", false, policy.RuleNoGrant, "/flat/sub"},
		{policy.OpList, "/out", false, policy.RuleNoGrant, "/secret"},
		{policy.OpList, "/way", true, policy.RuleHome, "/home/ann/d"},
		{policy.OpWrite, "/out/f", false, policy.RuleNoGrant, "/secret/f"},
	} {
		got, err := w.tree.Explain(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, tt.op, tp(tt.at))
		w.must(err)
		if got.Allowed != tt.may || got.Rule != tt.rule || got.Judged != tp(tt.judged) {
			t.Errorf("%s %s: %v by %s on %s (%s), want %+v", tt.op, tt.at, got.Allowed, got.Rule, got.Judged, got.Because, tt)
		}
	}
}

// Of a folder everything below is asked for, by the path that was named and by
// where it really is; what the account stands on stays.
func TestExplainOfADeletedFolder(t *testing.T) {
	for at, want := range map[string]struct {
		allowed bool
		rule    policy.Rule
		judged  string
	}{
		"/d":             {true, "home", "/home/ann/d"},
		"/":              {false, "home", "/home/ann"},
		"/team":          {false, "home", "/groups/team"},
		"/team/d":        {true, "grant", "/groups/team/d"},
		"/public/team/d": {false, "no-grant", "/public/team/d"},
	} {
		w := newWorld(t)
		w.house()
		w.link("../groups/team", "/public/team")
		u := w.inHouse()
		got, err := w.tree.Explain(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, policy.OpDelete, tp(at))
		if err != nil || got.Allowed != want.allowed || got.Rule != want.rule || got.Judged.String() != want.judged {
			t.Errorf("%s: got %v by %s on %s, %v, want %+v", at, got.Allowed, got.Rule, got.Judged, err, want)
		}
		if err := u.RemoveAll(t.Context(), tp(at)); (err == nil) != want.allowed {
			t.Errorf("%s: explain says %v, and removing it ends with %v", at, want.allowed, err)
		}
	}
}

// A right at the end of a link is none at its beginning.
func TestExplainOfWritingThroughALink(t *testing.T) {
	w := newWorld(t)
	w.house()
	w.link("../groups/team", "/public/team")
	u := w.inHouse()
	got, err := w.tree.Explain(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, policy.OpWrite, tp("/public/team/f"))
	if err != nil || got.Allowed || got.Judged != tp("/public/team/f") {
		t.Errorf("got %+v on %s, %v", got.Decision, got.Judged, err)
	}
}

// A link that leads nowhere has no place for what is written to it.
func TestExplainOfWritingToADeadLink(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.link("nowhere/at/all", "/home/ann/dead")
	got, err := w.tree.Explain(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, policy.OpWrite, tp("/dead/f"))
	if err != nil || !errors.Is(got.Obstacle, fs.ErrNotExist) {
		t.Errorf("got %+v, obstacle %v, %v", got.Decision, got.Obstacle, err)
	}
}

// A file with a name on either side of a quota's border cannot move in part, and
// what there is no room for does not move.
func TestExplainOfMovesAcrossQuotas(t *testing.T) {
	w := newWorld(t)
	w.house()
	w.put("/home/ann/rich/sub/f", "f")
	w.must(os.Link(w.disk("/home/ann/rich/sub/f"), w.disk("/home/ann/alias")))
	w.put("/home/ann/full/f", "f")
	w.limit("/home/ann/full", 1, 1)
	u := w.inHouse()
	for _, c := range []struct {
		from, to string
		want     error
	}{
		{"/rich/sub", "/sub", backend.ErrUnsupported},
		{"/d", "/full/d", quota.ErrExceeded},
	} {
		q := guard.Move{Op: policy.OpRename, From: tp(c.from), To: tp(c.to)}
		got, err := w.tree.ExplainMove(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.WholeTree, q)
		if err != nil || !errors.Is(got.Obstacle, c.want) {
			t.Errorf("%s: obstacle %v, %v, want %v", c.from, got.Obstacle, err, c.want)
		}
	}
}
