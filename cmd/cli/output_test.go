package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "10B": 10, "1k": 1024, "1KB": 1000, "10GiB": 10 << 30, "1.5MiB": 3 << 19, "2t": 2 << 40, "1PiB": 1 << 50,
		"9223372036854775807": 1<<63 - 1,
	} {
		if n, err := parseSize("quota", text); err != nil || n != want {
			t.Errorf("%s is %d, %v; want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "+1", "10GiB5", "1 0", "10,5GiB", "1e3", "0x10", "NaN", "Inf", "1.2.3", "9223372036854775808", "9000000TiB", "10Gibs"} {
		if n, err := parseSize("quota", text); err == nil {
			t.Errorf("%q is taken for %d", text, n)
		}
	}
}

// A name that a client chose must not move the administrator's cursor, nor turn
// the line around.
func TestNamesDoNotSpeakToTheTerminal(t *testing.T) {
	var out bytes.Buffer
	a := &app{Streams: Streams{Out: &out}}
	evil := "a\x1b[2J\nb\u202ec\u200b\u2028"
	if err := a.list(nil, []string{"NAME"}, [][]string{{evil}}); err != nil {
		t.Fatal(err)
	}
	if err := a.show(nil, [][2]string{{"name", evil}}); err != nil {
		t.Fatal(err)
	}
	a.say("removed %s", evil)
	if text := out.String(); strings.ContainsAny(text, "\x1b\u202e\u200b\u2028") || strings.Count(text, "\n") != 4 {
		t.Errorf("it says %q", text)
	}
	if got := visible("Ålice – 文件"); got != "Ålice – 文件" {
		t.Errorf("a plain name is shown as %q", got)
	}
}

// run carries out a command line without a gateway.
func run(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Run(t.Context(), "test", args, Streams{
		In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(key string) string { return env[key] },
	})
	return status, out.String(), errs.String()
}

func TestExitStatuses(t *testing.T) {
	data := t.TempDir()
	for line, want := range map[string]int{
		"version":                        0,
		"nonsense":                       2,
		"account frob":                   2,
		"account add":                    2,
		"account list --nope":            2,
		"account set ann":                2,
		"account set ann --allow-ip=":    2,
		"account set ann --quota 10GiB5": 2,
		"account delete ann":             2,
		"grant add ann /x":               2,
		"grant add ann /x --preset full --permissions list": 2,
		"explain ann":                 2,
		"site set lockout.failures=5": 1,
		"quota set /x":                2,
		"config --set nothing":        2,
		"config --set nothing.such=1": 1,
		"account list":                1,
	} {
		if status, _, text := run(t, nil, append(strings.Fields(line), "--data", data)...); status != want {
			t.Errorf("%s ends with %d, want %d: %s", line, status, want, text)
		} else if want != 0 && !strings.HasPrefix(text, "gatehouse: ") {
			t.Errorf("%s gives no reason: %q", line, text)
		}
	}
}

// fake answers as a gateway would, and keeps what it was sent.
func fake(t *testing.T, answers map[string]string) (address string, sent map[string]string) {
	sent = map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		ask := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/api/v1")
		sent[ask] = string(body)
		answer, ok := answers[ask]
		if !ok {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			answer = `{"title":"Not Found","detail":"no such \u001b[31mthing"}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, sent
}

// Setting one limit of a folder leaves the other one.
func TestQuotaSetKeepsTheOtherLimit(t *testing.T) {
	const present = `{"path":"/x","limit_bytes":1000,"used_bytes":1,"limit_files":null,"used_files":1}`
	address, sent := fake(t, map[string]string{"GET /quotas/at?path=%2Fx": present, "PUT /quotas": present})
	if status, _, text := run(t, nil, "quota", "set", "/x", "--quota-files", "5", "--server", address); status != 0 {
		t.Fatal(text)
	}
	if got := sent["PUT /quotas"]; got != `{"limit_bytes":1000,"limit_files":5,"path":"/x"}` {
		t.Errorf("it sends %s", got)
	}
}

func TestAProblemIsShownWithoutItsControlCharacters(t *testing.T) {
	address, _ := fake(t, nil)
	status, _, text := run(t, nil, "account", "show", "x", "--server", address)
	if status != 1 || text != "gatehouse: no such ?[31mthing\n" {
		t.Errorf("it ends with %d and %q", status, text)
	}
}

func TestQuotaShowJSON(t *testing.T) {
	address, _ := fake(t, map[string]string{
		"GET /quotas/at?path=%2Fx": `{"path":"/x","limit_bytes":null,"used_bytes":7,"limit_files":3,"used_files":1}`,
	})
	_, out, _ := run(t, nil, "quota", "show", "/x", "--json", "--server", address)
	for _, want := range []string{`"limit_bytes": null`, `"used_bytes": 7`, `"limit_files": 3`, `"used_files": 1`} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %s: %s", want, out)
		}
	}
}
