package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A figure is a quota and its use; a limit of 0 is none.
type figure struct {
	Path       string
	LimitBytes int64 `json:"limit_bytes"`
	LimitFiles int64 `json:"limit_files"`
	UsedBytes  int64 `json:"used_bytes"`
	UsedFiles  int64 `json:"used_files"`
	Counting   bool
}

// settling is how long counting may take, and slow a machine be.
const settling = 15 * time.Second

// verifyQuotas waits for the figures of all quotas to be what is on disk, and
// for the quotas to be those of the accounts.
func (l *load) verifyQuotas() {
	l.t.Helper()
	var err error
	for deadline := time.Now().Add(settling); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = l.quotasAgree(); err == nil {
			return
		}
	}
	l.t.Errorf("quotas: %v", err)
}

func (l *load) quotasAgree() error {
	var list []figure
	if err := l.node.api(http.MethodGet, "/quotas", nil, &list); err != nil {
		return err
	}
	limits := l.limits()
	var errs []error
	for _, q := range list {
		bytes, files, err := stored(l.node.files(q.Path))
		if err != nil || q.Counting || q.UsedBytes != bytes || q.UsedFiles != files {
			errs = append(errs, fmt.Errorf("%s, %+v, holds %d bytes in %d files, %v", q.Path, q, bytes, files, err))
		}
		if should, ok := limits[q.Path]; (!ok || should != q.LimitBytes) && !l.beingMade(q) {
			errs = append(errs, fmt.Errorf("%s has a limit of %d, which should be %d, %v", q.Path, q.LimitBytes, should, ok))
		}
		if over(q.LimitBytes, bytes) || over(q.LimitFiles, files) {
			errs = append(errs, fmt.Errorf("%s, %+v, holds more than it may", q.Path, q))
		}
		delete(limits, q.Path)
	}
	for folder := range limits {
		errs = append(errs, fmt.Errorf("%s has lost its quota", folder))
	}
	return errors.Join(errs...)
}

// limits are the quotas that there should be, in bytes.
func (l *load) limits() map[string]int64 {
	limits := map[string]int64{"/home": 1 << 40, "/home/" + roomy: 1 << 30, "/home/" + tight: tightBytes}
	for folder, q := range l.quotas {
		limits[folder] = q.LimitBytes
	}
	for _, w := range l.writers {
		if _, ok := limits["/home/"+w.account]; !ok {
			limits["/home/"+w.account] = 0 // of files alone
		}
	}
	for _, a := range l.admins {
		for name, p := range a.staff.People {
			if p.Quota > 0 {
				limits["/home/"+name] = p.Quota
			}
		}
	}
	return limits
}

// beingMade reports whether a quota is that of an account whose making was cut
// short: asking again takes it over.
func (l *load) beingMade(q figure) bool {
	for _, a := range l.admins {
		for _, c := range a.underWay {
			if c.kind == created && "/home/"+c.who == q.Path && c.n == q.LimitBytes {
				return true
			}
		}
	}
	return false
}

func over(limit, used int64) bool { return limit > 0 && used > limit }

// stored is what a folder holds.
func stored(dir string) (bytes, files int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		bytes, files = bytes+info.Size(), files+1
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return bytes, files, err
}

// verifyStart looks at a gateway that has just come up: nobody is in, and
// nothing is staged.
func (l *load) verifyStart() {
	l.t.Helper()
	var sessions []struct{ Account string }
	l.node.must(http.MethodGet, "/sessions", nil, &sessions)
	if len(sessions) > 0 {
		l.t.Errorf("sessions of a dead process: %v", sessions)
	}
	l.verifyNothingStaged()
}

func (l *load) verifyNothingStaged() {
	l.t.Helper()
	epochs := 0
	err := filepath.WalkDir(l.node.files(".gatehouse"), func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(l.node.files(".gatehouse"), p)
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			l.t.Errorf("%s is still staged", rel)
		case strings.Count(rel, string(filepath.Separator)) == 1:
			epochs++
		case strings.Count(rel, string(filepath.Separator)) > 1:
			l.t.Errorf("the folder %s is still staged", rel)
		}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) || epochs > 1 {
		l.t.Errorf("staging has %d epochs, %v", epochs, err)
	}
}

// Room of the account that has little of it.
const (
	tightBytes = 1_500_000
	tightFiles = 60
)

// verifyRoom shows that no lease of a dead process holds room: with a limit of
// 1,000 bytes and 1 file more than is used, just these can be stored.
func (l *load) verifyRoom() {
	l.t.Helper()
	limit := func(account string) func(bytes, files int64) {
		return func(bytes, files int64) {
			l.node.must(http.MethodPatch, "/accounts/"+account, map[string]any{
				"quota": map[string]any{"limit_bytes": bytes, "limit_files": files},
			}, nil)
		}
	}
	l.roomFor(tight, "/", limit(tight), figure{LimitBytes: tightBytes, LimitFiles: tightFiles})
	for _, account := range []string{hasty, tidy} {
		all, team := l.quotas["/home/"+account], l.quotas["/home/"+account+"/t0"]
		if all == (figure{}) {
			continue // the crowd is not there
		}
		limit(account)(2*all.LimitBytes, 2*all.LimitFiles) // the team's quota is to decide
		l.roomFor(account, "/t0", func(bytes, files int64) {
			body := map[string]any{"path": "/home/" + account + "/t0", "limit_bytes": bytes, "limit_files": files}
			l.node.must(http.MethodPut, "/quotas", body, nil)
		}, team)
		limit(account)(all.LimitBytes, all.LimitFiles)
	}
}

// roomFor is verifyRoom of one quota, whose limit is set for it and put back.
func (l *load) roomFor(account, folder string, set func(bytes, files int64), limit figure) {
	l.t.Helper()
	var q figure
	l.node.must(http.MethodGet, "/quotas/at?path="+path.Join("/home", account, folder), nil, &q)
	set(q.UsedBytes+1000, q.UsedFiles+1)
	c, err := overSFTP(l.node.addr["SFTP"], account, folder, l.key, l.host)
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.close()
	for _, s := range []struct {
		step
		full bool
	}{
		{step{verb: put, name: "over", piece: whole(1, 1001)}, true},
		{step{verb: discard, name: "over"}, false}, // what there was room for
		{step{verb: put, name: "just", piece: whole(1, 1000)}, false},
		{step{verb: put, name: "more", piece: whole(1, 0)}, true},
		{step{verb: remove, name: "just"}, false},
	} {
		if err := c.do(s.step); errors.Is(err, errFull) != s.full || err != nil && !s.full {
			l.t.Errorf("room for 1,000 bytes in one file more than %+v: %s of %v: %v", q, s.step, s.piece, err)
		}
	}
	set(limit.LimitBytes, limit.LimitFiles)
}
