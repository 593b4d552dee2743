package quota_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

const day = 24 * time.Hour

// checked runs a ledger with daily checks, which are told as they come.
func checked(t *testing.T, s state.Store, epoch string, d *disk) (*quota.Ledger, func() []quota.Check) {
	t.Helper()
	l := open(t, s, epoch, d)
	told := make(chan quota.Check, 1000)
	l.CheckEvery(day, func(c quota.Check) { told <- c })
	return l, func() (all []quota.Check) {
		synctest.Wait()
		for len(told) > 0 {
			all = append(all, <-told)
		}
		return all
	}
}

// wantChecks asks for at least one check, and that each ended like this.
func wantChecks(t *testing.T, all []quota.Check, want error) {
	t.Helper()
	for _, c := range all {
		if !errors.Is(c.Err, want) {
			t.Errorf("got %+v, want %v", c, want)
		}
	}
	if len(all) == 0 {
		t.Error("nothing was checked")
	}
}

// What somebody with a shell adds and removes is found within a day, told once,
// and set right: the limit binds again.
func TestDriftIsFoundAndCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l, told := checked(t, memory.New(), "1", d)
		set(t, l, "/q", 1000, 10)
		set(t, l, "/calm", 1000, 10)
		if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(day + time.Hour)
		for _, c := range told() {
			if c.Err != nil || c.Drift() != (quota.Amount{}) {
				t.Errorf("nothing has happened: %+v", c)
			}
		}
		d.mu.Lock()
		d.files[p("/q/secret")] = 300
		d.mu.Unlock()
		time.Sleep(day + time.Hour)
		drifted := 0
		for _, c := range told() {
			if c.Drift() == (quota.Amount{}) {
				continue
			}
			drifted++
			if c.Folder != p("/q") || c.Err != nil || c.Drift() != (quota.Amount{Bytes: 300, Files: 1}) || c.Booked.Bytes != 600 {
				t.Errorf("got %+v", c)
			}
		}
		if drifted != 1 {
			t.Errorf("told %d times", drifted)
		}
		wantUsed(t, l, "/q", quota.Amount{Bytes: 900, Files: 2})
		wantExceeded(t, d.write(t.Context(), l, p("/q/b"), 101), "/q")
		d.mu.Lock()
		clear(d.files)
		d.mu.Unlock()
		time.Sleep(day + time.Hour)
		wantUsed(t, l, "/q", quota.Amount{})
	})
}

// A folder that changes while it is counted is no drift: who writes all the time
// sees no alarm, and its figures stay right.
func TestChangesDuringACheckAreNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l, told := checked(t, memory.New(), "1", d)
		set(t, l, "/q", -1, 1_000_000)
		for i := range 5 {
			if err := d.write(t.Context(), l, p(fmt.Sprintf("/q/%d", i)), 10); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		d.pace(func() {
			n++
			if err := d.write(t.Context(), l, p(fmt.Sprintf("/q/new%d", n%40)), 7); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(day + time.Hour)
		d.pace(func() {})
		wantChecks(t, told(), quota.ErrBusy)
		wantUsed(t, l, "/q", d.total(p("/q")))
	})
}

// A gateway that is started anew every few hours checks as often as one that is
// not: each folder at its hour.
func TestRestartsPutNoCheckOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), memory.New()
		l := open(t, s, "0", d)
		for i := range 20 {
			set(t, l, fmt.Sprintf("/q%d", i), 1000, 10)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for i := range 8 {
			l, told := checked(t, s, fmt.Sprint(i+1), d)
			time.Sleep(3*time.Hour + time.Second)
			for _, c := range told() {
				seen[c.Folder.String()]++
			}
			if err := l.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) < 19 { // one may have had its turn in a second between two runs
			t.Errorf("%d folders of 20 were checked: %v", len(seen), seen)
		}
	})
}

// Checks wait while the gateway has other work, but not for ever.
func TestChecksWaitForOtherWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l, told := checked(t, memory.New(), "1", d)
		set(t, l, "/q", 1_000_000, 10)
		check := func(most time.Duration, work func()) time.Time {
			for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(time.Second) {
				if work(); len(told()) > 0 {
					return time.Now()
				}
			}
			t.Fatalf("no check within %v", most)
			return time.Time{}
		}
		hour := check(day+time.Hour, func() {}).Add(day)
		time.Sleep(time.Until(hour) - time.Hour)
		late := check(3*time.Hour, func() {
			if err := d.write(t.Context(), l, p("/q/a"), 1); err != nil {
				t.Fatal(err)
			}
		}).Sub(hour)
		if late < 50*time.Minute || late > 70*time.Minute {
			t.Errorf("it came %v after its hour", late)
		}
	})
}

// A disk that cannot be read changes no figure.
func TestACheckThatFailsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l, told := checked(t, memory.New(), "1", d)
		set(t, l, "/q", 1000, 10)
		if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		d.fail(fs.ErrPermission)
		time.Sleep(day + time.Hour)
		wantChecks(t, told(), fs.ErrPermission)
		wantUsed(t, l, "/q", quota.Amount{Bytes: 600, Files: 1})
	})
}
