package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/cmd/kept"
	"gatehouse/configs"
	"gatehouse/storage/nodes"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
	"gatehouse/storage/state/transfer"
)

const key = "abababababababababababababababababababababababababababababababab"

// configured names a data folder with so many records, and a Redis.
func configured(t *testing.T, records int) (configs.Config, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t, "--appendonly", "yes")
	c := configs.Default()
	c.Data, c.State.URL, c.State.Prefix, c.SecretKey = t.TempDir(), server.URL(), "gh:", key
	if records == 0 {
		return c, server
	}
	s, err := bolt.Open(c.Data, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < records; n += 500 {
		b := state.Batch{Scope: fmt.Sprint("scope", n/5000)}
		for i := range min(500, records-n) {
			b.Puts = append(b.Puts, state.Put{Name: fmt.Sprint(n + i), Value: []byte(strings.Repeat("v", 200))})
		}
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return c, server
}

func there(c configs.Config) Options { return Options{Config: c, From: Bolt, To: Redis} }

func back(c configs.Config) Options { return Options{Config: c, From: Redis, To: Bolt} }

func wantError(t *testing.T, o Options, text string) {
	t.Helper()
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("from %s to %s: %v, want %q", o.From, o.To, err, text)
	}
}

// stateOf opens what Redis has.
func stateOf(t *testing.T, c configs.Config) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), redis.Options{URL: c.State.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// join has a gateway be there.
func join(t *testing.T, c nodes.Config) *nodes.Nodes {
	t.Helper()
	n, err := nodes.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestThereAndBack(t *testing.T) {
	c, _ := configured(t, 700)
	went, err := Run(t.Context(), there(c))
	if err != nil || went.Records != 701 { // one tells which key it is
		t.Fatalf("there: %+v, %v", went, err)
	}
	c.Data = t.TempDir()
	came, err := Run(t.Context(), back(c))
	if err != nil || came.Sum != went.Sum {
		t.Errorf("and back: %+v, %v; want %+v", came.Sum, err, went.Sum)
	}
}

// A gateway that runs, or that was killed and holds something still, is in the
// way at either store; one that has left is not.
func TestNoGatewayRuns(t *testing.T) {
	c, _ := configured(t, 10)
	if _, err := Run(t.Context(), there(c)); err != nil {
		t.Fatal(err)
	}
	s := stateOf(t, c)
	n := join(t, nodes.Config{State: s, Node: "first", Epoch: "1", Place: "here"})
	o := back(c)
	o.Config.Data = t.TempDir()
	wantError(t, o, "gateways run on Redis: stop first")
	wantError(t, there(c), "gateways run on Redis: stop first")
	if err := n.Abandon(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, o, "first ended without giving back what it held")
	n = join(t, nodes.Config{State: s, Node: "first", Epoch: "2", Place: "here"})
	buried := make(chan struct{})
	n.Bury(func(context.Context, string, string) error { close(buried); return nil })
	n.Start(t.Context())
	<-buried
	for began := time.Now(); len(look(t, s)) > 1; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the dead run is not buried")
		}
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func look(t *testing.T, s state.Store) []nodes.Node {
	t.Helper()
	list, err := nodes.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestNotOverWhatIsThere(t *testing.T) {
	c, server := configured(t, 10)
	o := there(c)
	o.Config.State.URL += "/1"
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "SET", "gh:{theirs}:v", "1")
	wantError(t, there(c), "Redis has a state of its own")
	o.From, o.To = Redis, Bolt
	if _, err := Run(t.Context(), o); err != nil {
		t.Errorf("back where the same is: %v", err)
	}
	o.Config.State.URL = c.State.URL
	wantError(t, o, c.Data+" has a state of its own: move state.db and events away")
}

// Without the key nobody could read the secrets: that is said before anything is
// made.
func TestWithoutTheKey(t *testing.T) {
	c, server := configured(t, 10)
	c.SecretKey = ""
	wantError(t, there(c), "sealed with a key that is neither in secret_key nor in")
	if _, err := seal.LoadOrMake(filepath.Join(c.Data, seal.FileName)); err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), there(c))
	if err != nil || !strings.Contains(strings.Join(report.Notes, "\n"), "every node needs it") {
		t.Errorf("got %v, %v", report.Notes, err)
	}
	c.Data = filepath.Join(t.TempDir(), "new")
	wantError(t, back(c), "sealed with a key that is neither")
	if _, err := os.Stat(c.Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a data folder was made: %v", err)
	}
	server.Stop(t)
}

// With another key than the one that the state was sealed with, the first node to
// start would make new keys for all, and the right ones would be refused.
func TestWithAnotherKey(t *testing.T) {
	c, _ := configured(t, 10)
	if _, err := Run(t.Context(), there(c)); err != nil {
		t.Fatal(err)
	}
	c.SecretKey = strings.Repeat("cd", 32)
	for _, o := range []Options{there(c), back(c)} {
		o.Config.State.URL += "/1"
		if o.From == Redis {
			o.Config.State.URL, o.Config.Data = c.State.URL, t.TempDir()
		}
		if _, err := Run(t.Context(), o); !errors.Is(err, kept.ErrOtherKey) {
			t.Errorf("from %s: %v, want ErrOtherKey", o.From, err)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	c, _ := configured(t, 0)
	wantError(t, there(c), "there is no state in the data folder")
	wantError(t, back(c), transfer.ErrNothing.Error())
	wantError(t, Options{Config: c, From: Bolt, To: Bolt}, "name both kinds")
	c.State.URL = ""
	wantError(t, back(c), "which Redis?")
}

// A gateway on the data folder keeps it.
func TestTheDataFolderIsTaken(t *testing.T) {
	c, _ := configured(t, 10)
	s, err := bolt.Open(c.Data, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, there(c), bolt.ErrInUse.Error())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A migration is killed while it fills Redis. It is begun again: what it had sent
// is taken out first, and both stores agree in the end.
func TestKilledMeanwhile(t *testing.T) {
	if data, url := os.Getenv("MIGRATE_DATA"), os.Getenv("MIGRATE_URL"); data != "" {
		c := configs.Default()
		c.Data, c.State.URL, c.SecretKey = data, url, key
		_, err := Run(t.Context(), there(c))
		t.Fatalf("it was not killed: %v", err)
	}
	c, server := configured(t, 30_000)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledMeanwhile$")
	cmd.Env = append(os.Environ(), "MIGRATE_DATA="+c.Data, "MIGRATE_URL="+c.State.URL)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); fmt.Sprint(server.Do(t, "EXISTS", "gh:{scope1}:r")) == "0"; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("it does not begin")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if fmt.Sprint(server.Do(t, "EXISTS", "gh:loading")) != "0" { // on a slow machine it was done before
		wantError(t, there(c), "is being loaded")
		server.Do(t, "DEL", "gh:loading:lease") // it ends by itself, in two minutes
	}
	if report, err := Run(t.Context(), there(c)); err != nil || report.Records != 30_001 {
		t.Errorf("again: %+v, %v", report, err)
	}
}
