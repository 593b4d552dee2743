package cli

import (
	"strings"
	"testing"
)

func TestNodesAreListed(t *testing.T) {
	address, _ := fake(t, map[string]string{"GET /nodes": `[
		{"node":"a","epoch":"1","state":"alive","address":"10.0.0.1","version":"v1","since":"2030-01-02T03:04:05Z","last_beat":"2030-01-02T03:05:05Z","self":true},
		{"node":"b","epoch":"2","state":"silent","since":"2030-01-02T03:04:05Z","self":false}]`})
	_, out, errs := run(t, nil, "node", "list", "--server", address)
	lines := strings.Split(out, "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], "alive   10.0.0.1  v1") || !strings.HasSuffix(lines[1], "answers") || !strings.Contains(lines[2], "silent  -         -") {
		t.Errorf("got %s%s", out, errs)
	}
}

// A session says on which nodes it is; one of requests may be on several.
func TestSessionsSayTheirNodes(t *testing.T) {
	address, _ := fake(t, map[string]string{"GET /sessions": `[{"id":"x","account":"alice","door":"webdav","transport":"tls","address":"203.0.113.7","nodes":["a","b"]},
		{"id":"y","account":"bob","door":"sftp","transport":"ssh","address":"203.0.113.8"}]`})
	_, out, errs := run(t, nil, "session", "list", "--server", address)
	if !strings.Contains(out, "203.0.113.7  a b   -") || !strings.Contains(out, "203.0.113.8  -     -") {
		t.Errorf("got %s%s", out, errs)
	}
}
