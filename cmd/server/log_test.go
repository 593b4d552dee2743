package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"gatehouse/configs"
)

// A client names a file so that the log seems to say something else: line ends,
// terminal sequences and turned writing arrive escaped.
func TestNamesAreEscapedInTheTextLog(t *testing.T) {
	var b bytes.Buffer
	log := newLog(&b, configs.Log{Level: "info", Format: "text"}, new(slog.LevelVar))
	log.Info("login refused", "account", "eve\nlevel=INFO msg=\"login\"\x1b[2J\u202egnp.exe\u2066\u200b")
	text := strings.TrimSuffix(b.String(), "\n")
	if strings.ContainsAny(text, "\n\x1b\u202e\u2066\u200b") {
		t.Errorf("got %q", text)
	}
	if !strings.Contains(text, `\u202e`) || !strings.Contains(text, `\x1b`) {
		t.Errorf("the name is not told: %q", text)
	}
}
