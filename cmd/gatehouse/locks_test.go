package main

import (
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A locker asks for a lock of a folder or file that two accounts share.
type locker struct {
	account, at string
	depth       string
}

func (l locker) overlaps(m locker) bool {
	return l.at == m.at || l.covers(m) || m.covers(l)
}

func (l locker) covers(m locker) bool {
	return l.depth == "infinity" && strings.HasPrefix(m.at, l.at+"/")
}

// Two accounts lock a folder deeply, a folder in it and a file in that, all at the
// same moment, over and over: of two that overlap one is refused, however they fall,
// and the list says who won.
func TestLockersOverHTTPNeverBothWin(t *testing.T) {
	n := newNode(t, filepath.Join(t.TempDir(), "data"))
	n.start()
	for _, name := range []string{"ann", "bob"} {
		n.must(http.MethodPost, "/accounts", map[string]any{"username": name, "password": accountPassword}, nil)
	}
	c, err := overDAV(n.addr["HTTP"], "ann", "", accountPassword)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []step{{verb: mkdir, name: "s"}, {verb: mkdir, name: "s/a"}, {verb: mkdir, name: "s/a/b"}, {verb: put, name: "s/a/b/f", piece: whole(1, 10)}} {
		if err := c.do(s); err != nil {
			t.Fatal(err)
		}
	}
	n.cli("grant", "add", "bob", "/home/ann/s", "--preset", "full", "--at", "s")
	lockers := []locker{
		{"ann", "/s/a", "infinity"}, {"bob", "/s/a/b/f", "0"}, {"bob", "/s/a/b", "infinity"},
		{"ann", "/s/a/b/f", "infinity"}, {"bob", "/s/a", "infinity"}, {"ann", "/s/a/b", "0"},
	}
	for range 50 {
		tokens := n.lockAtOnce(lockers)
		if len(tokens) == 0 {
			t.Fatal("nobody won")
		}
		for i := range tokens {
			for j := range tokens {
				if i < j && lockers[i].overlaps(lockers[j]) {
					t.Fatalf("%+v and %+v have both won", lockers[i], lockers[j])
				}
			}
		}
		var list []struct{ Token string }
		n.must(http.MethodGet, "/locks", nil, &list)
		if len(list) != len(tokens) {
			t.Fatalf("%d locks are listed, %d have won", len(list), len(tokens))
		}
		for i, token := range tokens {
			if status, _ := n.askDAV("UNLOCK", lockers[i], "", "Lock-Token", "<"+token+">"); status != http.StatusNoContent {
				t.Fatalf("unlocking %+v: %d", lockers[i], status)
			}
		}
	}
}

// lockAtOnce returns the tokens of those who won, by their place.
func (n *node) lockAtOnce(lockers []locker) map[int]string {
	const body = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`
	var wg sync.WaitGroup
	var mu sync.Mutex
	tokens := make(map[int]string)
	begin := make(chan struct{})
	for i, l := range lockers {
		wg.Go(func() {
			<-begin
			status, header := n.askDAV("LOCK", l, body, "Depth", l.depth)
			switch status {
			case http.StatusOK:
				mu.Lock()
				defer mu.Unlock()
				tokens[i] = strings.Trim(header.Get("Lock-Token"), "<>")
			case http.StatusLocked, http.StatusMultiStatus: // itself, or something in it
			default:
				n.t.Errorf("%+v: %d", l, status)
			}
		})
	}
	close(begin)
	wg.Wait()
	return tokens
}

func (n *node) askDAV(method string, l locker, body, header, value string) (int, http.Header) {
	req, err := http.NewRequestWithContext(n.t.Context(), method, "http://"+n.addr["HTTP"]+"/dav"+l.at, strings.NewReader(body))
	if err != nil {
		n.t.Error(err)
		return 0, nil
	}
	req.SetBasicAuth(l.account, accountPassword)
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Error(err)
		return 0, nil
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		n.t.Error(err)
	}
	return resp.StatusCode, resp.Header
}
