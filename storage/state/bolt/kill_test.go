package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/storage/state"
)

const (
	writerVariable = "GATEHOUSE_TEST_WRITER" // the data folder of the child
	killsVariable  = "GATEHOUSE_TORTURE"     // how often it is killed
	seedVariable   = "GATEHOUSE_SEED"        // to do it again
	killWriters    = 6
)

// writer writes without end and says, after each reply, what was acknowledged.
func writer(dir string) int {
	s, err := Open(dir, Options{Changes: keep})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var all sync.WaitGroup
	for w := range killWriters {
		all.Go(func() { writeFrom(s, fmt.Sprint("w", w)) })
	}
	all.Wait()
	return 1 // it should have been killed
}

func writeFrom(s *Store, scope string) {
	ctx := context.Background()
	from, err := s.Revision(ctx, scope)
	for n := from + 1; err == nil; n++ {
		if err = writeOne(ctx, s, scope, n); err == nil {
			_, err = fmt.Println(scope, n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
}

// writeOne makes the n-th change of a scope in all that the store keeps.
func writeOne(ctx context.Context, s *Store, scope string, n uint64) error {
	name, used := fmt.Sprintf("%08d", n), int64(n)
	value := make([]byte, n*37%5000)
	_, err := s.Apply(ctx, state.Batch{Scope: scope, ID: state.NewOperationID(), Puts: []state.Put{
		{Name: "a" + name, Value: value}, {Name: "b" + name, Value: value}, {Name: "last", Value: []byte(name)},
	}, Deletes: []string{fmt.Sprintf("b%08d", n-1)}})
	if err != nil {
		return err
	}
	if _, err := s.Count(ctx, scope, state.Lease{Name: "n", SetUsed: &used}); err != nil {
		return err
	}
	_, err = s.Append(ctx, scope, state.NewOperationID(), []byte(name))
	return err
}

// A gateway is killed at any moment: it opens again, everything acknowledged is
// there, and what was under way is there whole or not at all.
func TestKill(t *testing.T) {
	rounds, seed := 5, time.Now().UnixNano()
	if n, err := strconv.Atoi(os.Getenv(killsVariable)); err == nil {
		rounds = n
	}
	if n, err := strconv.ParseInt(os.Getenv(seedVariable), 10, 64); err == nil {
		seed = n
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	dir := t.TempDir()
	for range rounds {
		acknowledged := runAndKill(t, dir, time.Duration(random.IntN(150_000))*time.Microsecond)
		verifyKilled(t, dir, acknowledged)
		if t.Failed() {
			return
		}
	}
}

func runAndKill(t *testing.T, dir string, after time.Duration) map[string]uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[string]uint64)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if len(acknowledged) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // Wait tells how it ended
		}
		var scope string
		var n uint64
		if _, err := fmt.Sscan(lines.Text(), &scope, &n); err == nil {
			acknowledged[scope] = n
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return acknowledged
}

func verifyKilled(t *testing.T, dir string, acknowledged map[string]uint64) {
	t.Helper()
	s := openIn(t, dir)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if len(acknowledged) == 0 {
		t.Error("nothing was acknowledged")
	}
	for scope, n := range acknowledged {
		if err := verifyScope(t.Context(), s, scope, n); err != nil {
			t.Errorf("%s, acknowledged up to %d: %v", scope, n, err)
		}
	}
}

func verifyScope(ctx context.Context, s *Store, scope string, acknowledged uint64) error {
	revision, err := s.Revision(ctx, scope)
	if err != nil || revision < acknowledged || revision > acknowledged+1 {
		return fmt.Errorf("revision %d, %w", revision, err)
	}
	last, err := s.Get(ctx, scope, "last")
	if err != nil || string(last.Value) != fmt.Sprintf("%08d", revision) {
		return fmt.Errorf("the last one is %s, %w", last.Value, err)
	}
	page, err := s.List(ctx, scope, "a", "", 1_000_000)
	if err != nil || uint64(len(page.Records)) != revision {
		return fmt.Errorf("%d records at revision %d, %w", len(page.Records), revision, err)
	}
	for i, r := range page.Records {
		if n := uint64(i + 1); r.Name != fmt.Sprintf("a%08d", n) || r.Revision != n || uint64(len(r.Value)) != n*37%5000 {
			return fmt.Errorf("record %s at %d has %d bytes", r.Name, r.Revision, len(r.Value))
		}
	}
	if page, err = s.List(ctx, scope, "b", "", 0); err != nil || len(page.Records) != 1 || page.Records[0].Revision != revision {
		return fmt.Errorf("beside it are %d records, %w", len(page.Records), err)
	}
	v, err := s.Count(ctx, scope, state.Lease{Name: "n"})
	if err != nil || uint64(v.Used) < acknowledged || uint64(v.Used) > revision {
		return fmt.Errorf("the counter is at %d, %w", v.Used, err)
	}
	return verifyStream(ctx, s, scope, acknowledged, revision)
}

// verifyStream finds each acknowledged entry; one of a change that was killed
// between its record and its entry is missing for good.
func verifyStream(ctx context.Context, s *Store, scope string, acknowledged, revision uint64) error {
	entries, err := s.Read(ctx, scope, 0, 1_000_000)
	if err != nil {
		return err
	}
	before := 0
	for i, e := range entries {
		n, err := strconv.Atoi(string(e.Value))
		if err != nil || e.Position != uint64(i+1) || n <= before {
			return fmt.Errorf("entry %s at %d, after %d, %w", e.Value, e.Position, before, err)
		}
		before = n
	}
	if uint64(before) < acknowledged || uint64(before) > revision {
		return fmt.Errorf("the last entry is %d", before)
	}
	return nil
}
