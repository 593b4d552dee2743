package protocoltest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/webdav"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// trip is how long a call of a far store takes, there and back.
const trip = time.Second / 10

// A far store is in memory, and each call takes a trip to it: calls at the same time
// take one together.
type far struct {
	state.Store
	calls *atomic.Int64
	last  bool // who closes the memory
}

func (s *far) visit(ctx context.Context) error {
	s.calls.Add(1)
	select {
	case <-time.After(trip):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *far) Get(ctx context.Context, scope, name string) (state.Record, error) {
	if err := s.visit(ctx); err != nil {
		return state.Record{}, err
	}
	return s.Store.Get(ctx, scope, name)
}

func (s *far) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	if err := s.visit(ctx); err != nil {
		return state.Page{}, err
	}
	return s.Store.List(ctx, scope, prefix, after, limit)
}

func (s *far) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if err := s.visit(ctx); err != nil {
		return state.Result{}, err
	}
	return s.Store.Apply(ctx, b)
}

func (s *far) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if err := s.visit(ctx); err != nil {
		return state.CounterValue{}, err
	}
	return s.Store.Count(ctx, scope, op)
}

func (s *far) Append(ctx context.Context, stream string, op state.OperationID, entries ...[]byte) (uint64, error) {
	if err := s.visit(ctx); err != nil {
		return 0, err
	}
	return s.Store.Append(ctx, stream, op, entries...)
}

func (s *far) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	if err := s.visit(ctx); err != nil {
		return nil, err
	}
	return s.Store.Read(ctx, stream, after, limit)
}

func (s *far) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	if err := s.visit(ctx); err != nil {
		return nil, err
	}
	return s.Store.ReadBack(ctx, stream, before, limit)
}

func (s *far) Revision(ctx context.Context, scope string) (uint64, error) {
	if err := s.visit(ctx); err != nil {
		return 0, err
	}
	return s.Store.Revision(ctx, scope)
}

func (s *far) Scopes(ctx context.Context, after string, limit int) ([]string, error) {
	if err := s.visit(ctx); err != nil {
		return nil, err
	}
	return s.Store.Scopes(ctx, after, limit)
}

func (s *far) Close() error {
	if !s.last {
		return nil
	}
	return s.Store.Close()
}

// farNodes are nodes on one far store, and how often they have called it.
func farNodes(count int) (protocoltest.Nodes, *atomic.Int64) {
	calls := new(atomic.Int64)
	var mu sync.Mutex
	var one state.Store
	return protocoltest.Nodes{Count: count, Store: func(testing.TB, string) state.Store {
		mu.Lock()
		defer mu.Unlock()
		first := one == nil
		if first {
			one = memory.New()
		}
		return &far{Store: one, calls: calls, last: first}
	}}, calls
}

// trips is how many trips one after the other something takes.
func trips(do func()) int {
	began := time.Now()
	do()
	return int((time.Since(began) + trip/2) / trip)
}

// Who comes in at a node that knows the account waits for the store once.
func TestTripsOfALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := farNodes(3)
		w := protocoltest.NewNodes(t, nodes)
		ann := w.Add("ann")
		attempt := auth.Attempt{
			Account: "ann", Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("192.0.2.1"), Password: ann.Password,
		}
		for _, node := range w.Nodes() {
			for warm := range 2 {
				var s *session.Session
				var err error
				n := trips(func() { s, err = node.Sessions.Login(t.Context(), attempt) })
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				t.Logf("login %d: %d trips", warm, n)
				if warm > 0 && n > 1 {
					t.Errorf("a warm login takes %d trips", n)
				}
				time.Sleep(time.Second)
			}
		}
	})
}

// A request over WebDAV, what it answers, and how often it waits for the store.
type request struct {
	method, path string
	header       map[string]string
	body         string
	status       int
	trips, rest  int // rest: where a quota above was not used for a while
}

const (
	lockBody  = `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`
	shareBody = `<lockinfo xmlns="DAV:"><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>`
	patchBody = `<propertyupdate xmlns="DAV:"><set><prop><x xmlns="u:">y</x>
		<Win32LastModifiedTime xmlns="urn:schemas-microsoft-com:">Sun, 01 Nov 2026 12:00:00 GMT</Win32LastModifiedTime></prop></set></propertyupdate>`
)

func to(p string, more ...string) map[string]string {
	h := map[string]string{"Destination": "http://localhost/dav" + p}
	for i := 0; i < len(more); i += 2 {
		h[more[i]] = more[i+1]
	}
	return h
}

// requests are what clients send, in this order, each long after the one before. TOKEN
// is that of the last lock. Each waits for the store once at the most, but for what
// removes or moves something that its own client has locked: the lock is taken off then.
var requests = []request{
	{"PROPFIND", "/", map[string]string{"Depth": "0"}, "", 207, 1, 1},
	{"PROPFIND", "/", map[string]string{"Depth": "1"}, "", 207, 1, 1},
	{"PROPFIND", "/d/", map[string]string{"Depth": "1"}, "", 207, 1, 1},
	{"GET", "/f", nil, "", 200, 0, 0},
	{"HEAD", "/f", nil, "", 200, 0, 0},
	{"OPTIONS", "/f", nil, "", 200, 0, 0},
	{"PUT", "/new", nil, "content", 201, 1, 3},
	{"PUT", "/new", nil, "other", 204, 1, 3},
	{"PUT", "/new", map[string]string{"If-None-Match": "*"}, "", 412, 0, 0},
	{"MKCOL", "/col", nil, "", 201, 1, 1},
	{"MKCOL", "/col", nil, "", 405, 0, 0},
	{"PROPPATCH", "/new", nil, patchBody, 207, 1, 1},
	{"COPY", "/new", to("/copy"), "", 201, 1, 3},
	{"COPY", "/new", to("/copy"), "", 204, 1, 3},
	{"COPY", "/d", to("/e"), "", 201, 1, 3},
	{"COPY", "/d", to("/e"), "", 204, 1, 5},
	{"COPY", "/new", to("/e"), "", 204, 1, 5},
	{"MOVE", "/copy", to("/moved"), "", 201, 1, 3},
	{"MOVE", "/new", to("/moved"), "", 204, 1, 3},
	{"MOVE", "/d", to("/e"), "", 204, 1, 3},
	{"MOVE", "/e", to("/d"), "", 201, 1, 3},
	{"LOCK", "/moved", nil, lockBody, 200, 1, 1},
	{"LOCK", "/moved", map[string]string{"If": "(<TOKEN>)"}, "", 200, 2, 2},
	{"PUT", "/moved", nil, "", 423, 1, 3},
	{"PUT", "/moved", map[string]string{"If": "(<TOKEN>)"}, "", 204, 1, 3},
	{"PROPFIND", "/", map[string]string{"Depth": "1"}, "", 207, 1, 1},
	{"PROPPATCH", "/moved", map[string]string{"If": "(<TOKEN>)"}, patchBody, 207, 1, 1},
	{"UNLOCK", "/moved", map[string]string{"Lock-Token": "<TOKEN>"}, "", 204, 1, 1},
	{"LOCK", "/moved", nil, shareBody, 200, 1, 1},
	{"DELETE", "/moved", map[string]string{"If": "(<TOKEN>)"}, "", 204, 2, 4},
	{"LOCK", "/null", nil, lockBody, 201, 1, 2},
	{"MOVE", "/null", to("/moved", "If", "(<TOKEN>)"), "", 201, 2, 4},
	{"DELETE", "/moved", nil, "", 204, 1, 2},
	{"DELETE", "/d", nil, "", 204, 1, 2},
	{"DELETE", "/col/", nil, "", 204, 1, 2},
	{"MKCOL", "/d", nil, "", 201, 1, 1},
	{"PUT", "/d/f", nil, "content", 201, 1, 3},
}

// A request over WebDAV whose client is known waits for the store no more often than
// it has to.
func TestTripsOfARequest(t *testing.T) {
	t.Run("no quota", func(t *testing.T) { tripsOf(t, false, func(x request) int { return x.trips }) })
	t.Run("a quota at rest", func(t *testing.T) { tripsOf(t, true, func(x request) int { return x.rest }) })
}

func tripsOf(t *testing.T, limited bool, most func(request) int) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := farNodes(3)
		w := protocoltest.NewNodes(t, nodes)
		ann := w.Add("ann")
		w.Write("/home/ann/f", "content")
		w.Write("/home/ann/d/f", "content")
		if limited {
			w.SetQuota("/home", 1<<40, -1)
		}
		for _, node := range w.Nodes() {
			dav := webdav.New(webdav.Config{Sessions: node.Sessions, Log: node.Log}).Mount(http.NotFoundHandler())
			token := ""
			ask := func(x request) (status int) {
				r := httptest.NewRequest(x.method, "http://localhost/dav"+x.path, strings.NewReader(x.body))
				r.RemoteAddr = "127.0.0.1:1"
				r.SetBasicAuth("ann", ann.Password)
				for name, value := range x.header {
					r.Header.Set(name, strings.ReplaceAll(value, "TOKEN", token))
				}
				a := answer{httptest.NewRecorder()}
				dav.ServeHTTP(a, r)
				if given := a.Header().Get("Lock-Token"); given != "" {
					token = strings.Trim(given, "<>")
				}
				return a.Code
			}
			ask(requests[0]) // the client is not known yet
			ask(request{method: "LOCK", path: "/f", body: lockBody})
			ask(request{method: "UNLOCK", path: "/f", header: map[string]string{"Lock-Token": "<TOKEN>"}})
			for _, x := range requests {
				time.Sleep(time.Minute)
				ask(request{method: "HEAD", path: "/f"}) // nor its session any more
				time.Sleep(2 * time.Second)
				var status int
				n := trips(func() { status = ask(x) })
				t.Logf("%s %s %v: %d, %d trips", x.method, x.path, x.header, status, n)
				if status != x.status || n > most(x) {
					t.Errorf("%s %s %v: status %d, want %d; %d trips, want %d", x.method, x.path, x.header, status, x.status, n, most(x))
				}
			}
		}
	})
}

// An answer is recorded, as if it came over a connection that takes deadlines.
type answer struct{ *httptest.ResponseRecorder }

func (answer) SetReadDeadline(time.Time) error  { return nil }
func (answer) SetWriteDeadline(time.Time) error { return nil }

// However many pieces an upload has, the store is asked for room in large parts.
func TestPiecesTakeNoTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, calls := farNodes(3)
		w := protocoltest.NewNodes(t, nodes)
		w.SetQuota("/home", 1<<40, -1)
		ann := w.Add("ann")
		s, err := w.Sessions.Login(t.Context(), auth.Attempt{
			Account: "ann", Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("192.0.2.1"), Password: ann.Password,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f, err := s.FS().Open(t.Context(), path.MustParse("/f"), session.Open{Write: true, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		piece := make([]byte, 32<<10)
		if _, err := f.WriteAt(piece, 0); err != nil { // asks for room
			t.Fatal(err)
		}
		before := calls.Load()
		n := trips(func() {
			for i := range 100 {
				if _, err := f.WriteAt(piece, int64(i+1)*int64(len(piece))); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n > 0 {
			t.Errorf("100 pieces took %d trips, and %d calls in all", n, calls.Load()-before)
		}
	})
}
