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

// requests are what a client sends to a folder, and how often each may wait for the
// store: a listing looks at the locks of what it names, then of those below.
var requests = []struct {
	method string
	trips  int
}{{"PROPFIND", 2}, {"GET", 0}, {"HEAD", 0}, {"PUT", 1}}

// A request over WebDAV whose client is known waits for the store no more often than
// it has to.
func TestTripsOfARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, _ := farNodes(3)
		w := protocoltest.NewNodes(t, nodes)
		ann := w.Add("ann")
		w.Write("/home/ann/f", "content")
		for _, node := range w.Nodes() {
			dav := webdav.New(webdav.Config{Sessions: node.Sessions, Log: node.Log}).Mount(http.NotFoundHandler())
			ask := func(method, name, body string) (status int) {
				r := httptest.NewRequest(method, "http://localhost/dav"+name, strings.NewReader(body))
				r.RemoteAddr = "127.0.0.1:1"
				r.SetBasicAuth("ann", ann.Password)
				if method == "PROPFIND" {
					r.Header.Set("Depth", "1")
				}
				a := answer{httptest.NewRecorder()}
				dav.ServeHTTP(a, r)
				return a.Code
			}
			for warm := range 2 {
				for _, x := range requests {
					method, most := x.method, x.trips
					name := "/f"
					if method == "PROPFIND" {
						name = "/"
					}
					var status int
					n := trips(func() { status = ask(method, name, "") })
					t.Logf("%s %d: %d, %d trips", method, warm, status, n)
					if status >= 300 || warm > 0 && n > most {
						t.Errorf("%s %s: status %d, %d trips", method, name, status, n)
					}
				}
				time.Sleep(time.Second)
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
