package session

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// offered is an attempt with a key that nobody signed with.
func offered(t *testing.T, name string, from netip.Addr) auth.Attempt {
	public, _ := authtest.NewKey(t, 9)
	return auth.Attempt{Account: name, Key: public, Door: policy.SFTP, Transport: policy.SSH, Address: from}
}

// clearFTP is USER over a clear connection.
func clearFTP(name string, from netip.Addr) auth.Attempt {
	return auth.Attempt{Account: name, Door: policy.FTP, Transport: policy.Clear, Address: from}
}

// Whoever makes up names, and addresses in the /64 that it has, must not fill the
// log with them: with a full one nobody would come in any more.
func TestMadeUpNamesDoNotFillTheLog(t *testing.T) {
	one := func(int) netip.Addr { return authtest.Client() }
	many := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x:1", i+1)) }
	for name, from := range map[string]func(int) netip.Addr{"one address": one, "one network": many} {
		for door, refuse := range map[string]func(*world, string, netip.Addr) error{
			"keys": func(w *world, name string, from netip.Addr) error {
				return w.RefuseOffer(w.t.Context(), offered(w.t, name, from))
			},
			"clear FTP": func(w *world, name string, from netip.Addr) error {
				err := w.PlainFTP(w.t.Context(), clearFTP(name, from))
				if _, ok := errors.AsType[*auth.RefusedError](err); ok {
					return nil
				}
				return fmt.Errorf("not refused: %w", err)
			},
			"a closed door": func(w *world, name string, from netip.Addr) error {
				a := authtest.WebDAV(name)
				a.Address = from
				if rule := w.refusedBy(a); rule != policy.RuleDoorSite {
					return fmt.Errorf("refused by %q", rule)
				}
				return nil
			},
		} {
			t.Run(door+" from "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.Add("alice", nil)
					w.ChangeSite(func(s *accounts.Site) { s.Doors = []policy.Door{policy.SFTP, policy.FTP, policy.API} })
					for i := range 96 {
						w.Must(refuse(w, fmt.Sprint("made", i), from(i)))
					}
					if n := len(w.EventsOf(events.Refused)); n < maxClaims || n > maxClaims+1 {
						t.Errorf("96 names leave %d events", n)
					}
					before := len(w.EventsOf(events.Refused))
					w.Must(refuse(w, "alice", netip.MustParseAddr("203.0.113.9")))
					if list := w.EventsOf(events.Refused); len(list) != before+1 || list[before].Account != "alice" {
						t.Errorf("alice is refused elsewhere, and the log has %d events more", len(list)-before)
					}
				})
			})
		}
	}
}

// Many at the same moment are no more than many one after the other.
func TestMadeUpNamesAtOnceDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range 96 {
			a := offered(t, fmt.Sprint("made", i), authtest.Client())
			all.Go(func() {
				<-begin
				if err := w.RefuseOffer(t.Context(), a); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		all.Wait()
		if n := len(w.EventsOf(events.Refused)); n != maxClaims+1 {
			t.Errorf("96 names at once leave %d events", n)
		}
	})
}

// After the flood the log tells again who is refused.
func TestAFloodHidesNothingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		for i := range 20 {
			w.Must(w.RefuseOffer(t.Context(), offered(t, fmt.Sprint("made", i), authtest.Client())))
		}
		time.Sleep(refusalLife) // of the bubble
		before := len(w.EventsOf(events.Refused))
		w.Must(w.RefuseOffer(t.Context(), offered(t, "alice", authtest.Client())))
		if list := w.EventsOf(events.Refused); len(list) != before+1 || list[before].Account != "alice" {
			t.Errorf("the log has %d events more", len(list)-before)
		}
	})
}

// Whoever has used up the references of made-up names must not learn by the next
// one's that there is such an account, which another rule refuses.
func TestReferencesOfRefusedNamesTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", func(a *accounts.Account) { a.PlainFTP = policy.Deny })
		w.Add("off", nil)
		_, err := w.Accounts.Disable(t.Context(), "off", "admin", "", accounts.Guarded)
		w.Must(err)
		reference := func(name string) string {
			refused, ok := errors.AsType[*auth.RefusedError](w.PlainFTP(t.Context(), clearFTP(name, authtest.Client())))
			if !ok {
				t.Fatalf("%s is not refused", name)
			}
			return refused.Reference
		}
		for i := range maxClaims {
			reference(fmt.Sprint("made", i))
		}
		want := reference("nobody")
		for _, name := range []string{"alice", "off", "another"} {
			if got := reference(name); got != want {
				t.Errorf("%s has a reference of its own", name)
			}
		}
	})
}

// A key that is the account's, and that nobody signs with, is what somebody wants
// to know of it: the log says so.
func TestAnOfferThatWouldBeTakenIsTold(t *testing.T) {
	w := newWorld(t)
	public, key := authtest.NewKey(t, 3)
	w.Add("keys", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.Must(w.RefuseOffer(t.Context(), auth.Attempt{Account: "keys", Key: public, Door: policy.SFTP, Transport: policy.SSH, Address: authtest.Client()}))
	list := w.EventsOf(events.Refused)
	if len(list) != 1 || list[0].Rule != string(policy.RuleCredential) || list[0].Reason != "it was offered and would be taken, but nobody signed with it" {
		t.Errorf("got %+v", list)
	}
}
