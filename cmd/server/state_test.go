package server

import (
	"context"
	"strings"
	"testing"

	"gatehouse/configs"
	"gatehouse/storage/installation"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// What is wrong with the address of Redis is told by its key, and no password with it.
func TestProblemsOfTheStoreHaveTheirKeys(t *testing.T) {
	for key, environ := range map[string][]string{
		"state.url":    {"GATEHOUSE_STATE_URL=redis://u:hunter2@a,b"},
		"state.prefix": {"GATEHOUSE_STATE_URL=redis://u:hunter2@a", "GATEHOUSE_STATE_PREFIX={x}"},
		"":             {"GATEHOUSE_STATE_URL=redis://u:hunter2@a,b?cluster=true", "GATEHOUSE_STATE_PREFIX=x:"},
	} {
		_, err := configs.Load(configs.Sources{Environ: append(environ, "GATEHOUSE_STATE_KIND=redis"), Also: Check})
		if key == "" {
			if err != nil {
				t.Errorf("%s: %v", environ, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "  "+key+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want a problem of %s", environ, err, key)
		}
	}
}

// heeded is a store of which all that is written must be promised.
type heeded struct {
	state.Store
	t *testing.T
}

func (h heeded) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if !promised(b) {
		h.t.Errorf("nobody waits for %q", b.Scope)
	}
	return h.Store.Apply(ctx, b)
}

// A failover that loses whose installation a store has would stop all its nodes: who
// has replicas confirm what is administered has them confirm that.
func TestWhoseStoreItIsIsPromised(t *testing.T) {
	if _, err := installation.Open(t.Context(), heeded{memory.New(), t}, ""); err != nil {
		t.Fatal(err)
	}
	if promised(state.Batch{Scope: "nodes", Puts: []state.Put{{Name: "run/a"}}}) {
		t.Error("the beats of nodes wait")
	}
}
