package server

import (
	"strings"
	"testing"

	"gatehouse/configs"
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
