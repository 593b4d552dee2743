package protocoltest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/policy"
)

// A Door is a front end under test, with a real client of its protocol.
type Door struct {
	Door policy.Door
	// Serve serves w on 127.0.0.1 until the test ends, and returns how a client
	// comes in. Of several nodes each is served, and each login goes to the next.
	Serve func(t testing.TB, w *World) Dial
	// Join makes one client of those that came in at each node, so that each
	// request goes to the next; nil where a client keeps its connection.
	Join func(at []Client) Client
	// Vague are the errors for which the protocol has no answer of its own:
	// where the suite wants one of them any error will do.
	Vague []error
	// Keys says that an account can come in with its key.
	Keys bool
	// Resumes says that PutAt goes on with a file where it ended.
	Resumes bool
	// AlwaysAtomic says that an upload keeps the old content until it is whole,
	// whatever the policy says.
	AlwaysAtomic bool
	// RenameReplaces says that Rename puts a file in the place of another.
	RenameReplaces bool
	// RemovesTrees says that RemoveDir removes a folder with all it holds.
	RemovesTrees bool
	// SetsTimes says that SetModified works.
	SetsTimes bool
	// NamesHolder says that the client shows the text of a refusal, which tells whose
	// lock is in the way.
	NamesHolder bool
	// ClimbsRefused says that a name with .. is refused, not resolved.
	ClimbsRefused bool
	// Again says that the door is asked a second time, over another transport: what
	// rules cut, and who swaps links on the disk, is left out.
	Again bool
	// Bare says that there is no protocol: what costs much is asked more often.
	Bare bool
	// Carries says which names the protocol and the client can carry unchanged;
	// nil is all. Others must be left out of listings.
	Carries func(name string) bool
}

// Dial logs in. A refusal is ErrLogin.
type Dial func(l Login) (Client, error)

// A Login is a person with one of its proofs.
type Login struct {
	Person
	// WithKey comes in with the key, else with the password.
	WithKey bool
}

// A Client speaks one protocol for one login. Names are absolute, as the account
// sees them, and are sent as they are: nothing is cleaned. Errors are, by
// errors.Is, those below where the protocol tells.
type Client interface {
	// Put writes a file that is, or is not yet, there. It returns when the
	// server has confirmed it.
	Put(name string, r io.Reader) error
	// PutAt goes on writing at an offset, which is the file's present size.
	PutAt(name string, offset int64, r io.Reader) error
	// Get reads a file from an offset on. What is not whole ends with an error
	// other than io.EOF, from Read or from Close, where the protocol tells.
	Get(name string, offset int64) (io.ReadCloser, error)
	List(folder string) ([]Entry, error)
	Stat(name string) (Entry, error)
	Mkdir(name string) error
	Remove(name string) error
	RemoveDir(name string) error
	Rename(from, to string) error
	SetModified(name string, t time.Time) error
	// Close ends it, also while other calls wait.
	Close() error
}

// An Entry is what a client learns of a file or folder.
type Entry struct {
	Name     string
	Size     int64
	Dir      bool
	Modified time.Time
}

// What a client's errors can be.
var (
	ErrLogin       = errors.New("the login was refused")
	ErrNotFound    = errors.New("there is no such name")
	ErrDenied      = errors.New("permission denied")
	ErrExists      = errors.New("the name is taken")
	ErrQuota       = errors.New("a quota is exceeded")
	ErrNoSpace     = errors.New("the disk is full")
	ErrAway        = errors.New("it may be possible later")
	ErrLocked      = errors.New("the file is locked")
	ErrUnsupported = errors.New("that is not done here")
)

// Run asks the whole suite of a door: of one node that is alone, and of several
// that act as one, of which a door that is asked again is asked a part.
func Run(t *testing.T, d Door) {
	cases := slices.Concat(basicCases, nameCases, rightsCases, lockCases, quotaCases, trafficCases, faultCases, uploadCases(), powerCases, linkCases, trailCases, liveCases, scopeCases, loginCases)
	if !d.Again {
		cases = slices.Concat(cases, ruleCases, adversaryCases)
	}
	lacks := func(c testCase) bool { return c.needs != nil && !c.needs(d) } // the protocol has nothing like it
	cases = slices.DeleteFunc(cases, lacks)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.beside(t, d) })
	}
	count := 3
	if d.Again {
		count = 2
		cases = slices.Concat(quotaCases, lockCases, loginCases, uploadCases())
		cases = slices.DeleteFunc(cases, lacks)
	}
	OverNodes(t, count, func(t *testing.T, n Nodes) {
		for _, c := range cases {
			c.ground.nodes = n
			t.Run(c.name, func(t *testing.T) { c.beside(t, d) })
		}
	})
}

// beside plays a case beside others, which wait for something most of the time; alone
// and patiently one about time: what is cut is cut within a second.
func (c testCase) beside(t *testing.T, d Door) {
	if c.timed() {
		Patiently(t, func(t testing.TB) { c.play(t, d) })
		return
	}
	t.Parallel()
	c.play(t, d)
}

// timed reports a case that asks how fast something is.
func (c testCase) timed() bool { return strings.HasPrefix(c.name, "live/") }

// play asks a case in a world of its own.
func (c testCase) play(t testing.TB, d Door) {
	w := newWorld(t, c.ground)
	s := &suite{T: t, World: w, door: d}
	if c.arrange != nil {
		c.arrange(s)
	}
	s.dial = d.serve(t, w)
	c.run(s)
}

// serve serves all nodes.
func (d Door) serve(t testing.TB, w *World) Dial {
	t.Helper()
	var at []Dial
	for _, fellow := range w.all {
		at = append(at, d.Serve(t, fellow))
	}
	if d.Join != nil && len(at) > 1 {
		return func(l Login) (Client, error) { return d.join(at, l) }
	}
	var next atomic.Uint64
	return func(l Login) (Client, error) { return at[next.Add(1)%uint64(len(at))](l) }
}

// join comes in at all nodes.
func (d Door) join(at []Dial, l Login) (Client, error) {
	var all []Client
	for _, dial := range at {
		c, err := dial(l)
		if err != nil {
			for _, c := range all {
				err = errors.Join(err, c.Close())
			}
			return nil, err
		}
		all = append(all, c)
	}
	return d.Join(all), nil
}

type testCase struct {
	name    string
	run     func(*suite)
	needs   func(Door) bool
	arrange func(*suite) // before the door is served
	ground  ground       // of its world
}
