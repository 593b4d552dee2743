package webdav

import (
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// Whether a body is remembered, new, too long for it, or wrong: what is asked is
// what reading it says, however it arrives.
func TestQuestionsAreThoseOfTheirBodies(t *testing.T) {
	bodies := []string{
		"", propfind("a"), propfind("a", "b"), propfind(), "\ufeff" + propfind("a"), manyNames(maxNames), manyNames(maxNames + 1),
		`<propfind xmlns="DAV:"><allprop/></propfind>`, `<propfind xmlns="DAV:"><propname/></propfind>`, "<", "no xml",
		strings.Repeat(" ", maxQuestion), strings.Repeat(" ", maxQuestion+1), strings.Repeat(" ", maxXML+10),
	}
	for _, pad := range []int{maxQuestion - 1, maxQuestion, maxQuestion + 1} {
		one := propfind("a")
		bodies = append(bodies, one+strings.Repeat(" ", pad-len(one)))
	}
	var known questions
	for range 3 {
		for _, body := range bodies {
			want, wantErr := readQuestion(strings.NewReader(body))
			for _, r := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body)), iotest.DataErrReader(strings.NewReader(body))} {
				if got, err := known.read(r); !reflect.DeepEqual(got, want) || !errors.Is(err, wantErr) {
					t.Errorf("%.60q asks for %v, %v; reading it says %v, %v", body, got, err, want, wantErr)
				}
			}
		}
	}
}

// A body that breaks off is no question, though one like it is known.
func TestBrokenBodyIsNoKnownQuestion(t *testing.T) {
	var known questions
	if _, err := known.read(strings.NewReader(propfind("a"))); err != nil {
		t.Fatal(err)
	}
	gone := &brokenError{io.ErrUnexpectedEOF}
	_, err := known.read(io.MultiReader(strings.NewReader(propfind("a")), iotest.ErrReader(gone)))
	if !errors.Is(err, gone) {
		t.Errorf("the end of the connection was read as %v", err)
	}
}

// Who sends ever new bodies takes no memory; and a body that is known is not
// read as XML again, which is what this is for.
func TestQuestionsAreBounded(t *testing.T) {
	var known questions
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 200 {
				if _, err := known.read(strings.NewReader(propfind("p" + strconv.Itoa(w) + "x" + strconv.Itoa(i)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(known.known); n > mostQuestions {
		t.Errorf("%d questions are remembered, at most %d should be", n, mostQuestions)
	}
	body := strings.NewReader(propfind("again"))
	ask := func() {
		body.Reset(propfind("again"))
		if _, err := known.read(body); err != nil {
			t.Error(err)
		}
	}
	ask()
	if n := testing.AllocsPerRun(100, ask); n > 12 {
		t.Errorf("a known question costs %v allocations", n)
	}
}
