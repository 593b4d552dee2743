package session

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/session/limits"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// carried is a resumption as another node reads it.
func carried(t *testing.T, s *Session) Resumption {
	t.Helper()
	text, err := json.Marshal(s.Resumption())
	if err != nil {
		t.Fatal(err)
	}
	var r Resumption
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) resume(r Resumption) *Session {
	w.t.Helper()
	s, err := w.Resume(w.t.Context(), r)
	w.Must(err)
	return s
}

// cutBy resumes and returns the rule that refuses.
func (w *world) cutBy(r Resumption) policy.Rule {
	w.t.Helper()
	_, err := w.Resume(w.t.Context(), r)
	cut, ok := errors.AsType[*CutError](err)
	if !ok {
		w.t.Fatalf("got %v, want a cut", err)
	}
	return cut.Decision.Rule
}

func TestSessionGoesOnElsewhere(t *testing.T) {
	all := newNodes(t, 3)
	addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
	first := all[0].login(authtest.API("ann"))
	second := all[1].resume(carried(t, first))
	if second == first || second.ID() != first.ID() || second.Account() != "ann" || !second.Fresh() || !second.Interactive() {
		t.Errorf("it is another there: %+v", second.describe())
	}
	if !second.since.Equal(first.since) || second.Only() != first.Only() {
		t.Error("it has begun anew there")
	}
	if again := all[1].resume(carried(t, first)); again != second {
		t.Error("a node has two copies")
	}
	for _, w := range all {
		authtest.Eventually(t, "it is not on both", func() bool { return len(w.everywhere()[first.ID()].Nodes) == 2 })
	}
	first.Leave()
	authtest.Eventually(t, "the node that it left is still named", func() bool { return len(all[2].everywhere()[first.ID()].Nodes) == 1 })
	if second.Context().Err() != nil || first.Context().Err() == nil {
		t.Error("leaving one node ends it on the other, or not at all")
	}
	if rule := all[2].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
		t.Errorf("it is not counted any more where it goes on: %q", rule)
	}
	if logins := all[0].EventsOf(events.Login); len(logins) != 1 {
		t.Errorf("%d logins in the log", len(logins))
	}
	if ends := all[0].EventsOf(events.Logout); len(ends) != 0 {
		t.Errorf("leaving a node is told as an end: %v", ends)
	}
}

// A cookie that somebody kept must not bring a session back that was ended, nor one
// whose account or proof is good no more.
func TestWhatIsNotResumed(t *testing.T) {
	all := newNodes(t, 2)
	tests := []struct {
		name string
		end  func(t *testing.T, a accounts.Account, s *Session)
		rule policy.Rule
	}{
		{"ended on its node", func(t *testing.T, _ accounts.Account, s *Session) { all[0].End(s.ID(), "enough") }, policy.RuleEnded},
		{"ended from elsewhere", func(t *testing.T, _ accounts.Account, s *Session) {
			all[1].sees(1)
			if ended, err := all[1].EndAnywhere(t.Context(), s.ID(), "enough"); !ended || err != nil {
				t.Fatalf("got %v, %v", ended, err)
			}
		}, policy.RuleEnded},
		{"by another's change of the password", func(t *testing.T, a accounts.Account, _ *Session) {
			other := all[0].login(authtest.API(a.Name))
			all[0].Must(all[0].changeOwnPassword(other, "another good horse"))
			other.Leave()
		}, policy.RuleEnded},
		{"the account is disabled", func(_ *testing.T, a accounts.Account, _ *Session) {
			all[0].Change(a.Name, func(a *accounts.Account) { a.Status.Disabled = true })
		}, policy.RuleStatus},
		{"the account is gone", func(t *testing.T, a accounts.Account, _ *Session) {
			all[0].remove(a)
		}, policy.RuleStatus},
		{"the password is another", func(t *testing.T, a accounts.Account, _ *Session) {
			all[0].setPassword(a.Name, "another good horse")
		}, policy.RuleCredential},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := addKnown(t, all, "user"+string(rune('a'+i)), nil)
			s := all[0].login(authtest.API(a.Name))
			r := carried(t, s)
			test.end(t, a, s)
			for _, w := range all {
				w.Must(w.Accounts.CatchUpAll(t.Context()))
			}
			node := all[i%2]
			if test.rule == policy.RuleEnded {
				authtest.Eventually(t, "it is brought back", func() bool {
					_, err := node.Resume(t.Context(), r)
					cut, ok := errors.AsType[*CutError](err)
					return ok && cut.Decision.Rule == policy.RuleEnded
				})
			} else if rule := node.cutBy(r); rule != test.rule {
				t.Errorf("refused by %s, want %s", rule, test.rule)
			}
			all[1].sees(0)
		})
	}
}

// The session that changed the password, or stepped up, goes on with that on the
// other nodes.
func TestProofOfElsewhereIsTakenOver(t *testing.T) {
	all := newNodes(t, 2)
	addKnown(t, all, "ann", nil)
	here := all[0].login(authtest.API("ann"))
	there := all[1].resume(carried(t, here))
	there.fresh.Store(time.Now().Add(-2 * freshness).UnixNano())
	all[0].Must(all[0].StepUp(t.Context(), here, auth.Attempt{Password: "correct horse", Transport: policy.TLS, Address: authtest.Client()}))
	if s := all[1].resume(carried(t, here)); s != there || !s.Fresh() {
		t.Error("a session that stepped up is not fresh elsewhere")
	}
	all[0].Must(all[0].changeOwnPassword(here, "another good horse"))
	for _, w := range all {
		w.Must(w.Accounts.CatchUpAll(t.Context()))
	}
	if s := all[1].resume(carried(t, here)); s.Context().Err() != nil || s.ID() != here.ID() {
		t.Error("it does not go on elsewhere")
	}
	if here.Context().Err() != nil {
		t.Error("it does not go on where the password was changed")
	}
}

func TestResumeNeedsAProof(t *testing.T) {
	w := newWorld(t)
	a := w.Add("ann", nil)
	if s, err := w.Resume(t.Context(), Resumption{ID: "x", AccountID: a.ID, Door: policy.API, Transport: policy.TLS, Address: authtest.Client()}); err == nil || s != nil {
		t.Error("a session without a proof")
	}
	if n := len(w.List()); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A gateway that is killed right after it has ended a session, before what remembers it
// has let go, must not go on with it: neither in its next run, nor on another node.
func TestEndedSessionStaysEndedAfterAKill(t *testing.T) {
	w := newWorld(t)
	w.Add("ann", nil)
	s := w.login(authtest.API("ann"))
	r := carried(t, s)
	if ended, err := w.EndAnywhere(t.Context(), s.ID(), "enough"); !ended || err != nil {
		t.Fatalf("got %v, %v", ended, err)
	}
	if rule := restart(t, w.Memory, w.Dir, "2").cutBy(r); rule != policy.RuleEnded {
		t.Errorf("the next run: refused by %q", rule)
	}
	all := newNodes(t, 2)
	addKnown(t, all, "ann", nil)
	s = all[0].login(authtest.API("ann"))
	r = carried(t, s)
	if ended, err := all[0].EndAnywhere(t.Context(), s.ID(), "enough"); !ended || err != nil {
		t.Fatalf("got %v, %v", ended, err)
	}
	late := open(t, authtest.Config{State: all[0].Memory, Dir: all[0].Dir, Node: "node3", Shares: true})
	if rule := late.cutBy(r); rule != policy.RuleEnded {
		t.Errorf("another node: refused by %q", rule)
	}
}

// A login that goes on in another run, or on another node, counts as it did before;
// nobody who is in is refused for that.
func TestResumedSessionCounts(t *testing.T) {
	one := func(a *accounts.Account) { a.Limits.Sessions = 1 }
	w := newWorld(t)
	w.Add("ann", one)
	r := carried(t, w.login(authtest.API("ann")))
	next := restart(t, w.Memory, w.Dir, "2")
	resumed := next.resume(r)
	if rule := next.refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
		t.Errorf("beside one that goes on in the next run: refused by %q", rule)
	}
	resumed.Close()
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", one)
		s := all[0].login(authtest.API("ann"))
		r := carried(t, s)
		s.Leave()
		authtest.After(2 * limits.Life) // nobody has it: its place runs out
		files := all[1].login(authtest.SFTP("ann"))
		resumed := all[0].resume(r)
		authtest.After(time.Second)
		if files.Context().Err() != nil || resumed.Context().Err() != nil {
			t.Error("somebody was refused who was in")
		}
		files.Close()
		authtest.After(time.Second)
		if rule := all[1].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
			t.Errorf("beside one that goes on on another node: refused by %q", rule)
		}
		resumed.Close()
	})
}
