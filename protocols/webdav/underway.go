package webdav

import (
	"net/http"
	"sync"
)

// underWay bounds how many requests of an account are carried out at a time: a
// client that hardly moves is waited for, and one account's that do so must not
// have the connections of all.
type underWay struct {
	most int

	mu sync.Mutex // guards of
	of map[string]int
}

func newUnderWay(most int) *underWay { return &underWay{most: most, of: make(map[string]int)} }

// begin counts a request of an account, if it has not too many; end must follow.
func (u *underWay) begin(account string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of[account] >= u.most {
		return refuse(http.StatusTooManyRequests, "too many requests of this account are under way")
	}
	u.of[account]++
	return nil
}

func (u *underWay) end(account string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.of[account]--; u.of[account] == 0 {
		delete(u.of, account)
	}
}
