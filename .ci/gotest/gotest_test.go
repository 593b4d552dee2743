package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tests are packages that end in every way, for the real go test.
var tests = map[string]string{
	"good": `func TestA(t *testing.T) { t.Log("quiet"); t.Run("sub", func(t *testing.T) {}) }`,
	"skip": `func TestA(t *testing.T) { t.Skip("no program") }
func TestB(t *testing.T) { t.Run("sub", func(t *testing.T) { t.SkipNow() }) }`,
	"bad": `func TestA(t *testing.T) { t.Log("quiet") }
func TestB(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Error("loud") }) }`,
	"panics":  `func TestA(t *testing.T) { t.Log("before"); panic("boom") }`,
	"exits":   `func TestA(t *testing.T) { os.Stdout.WriteString("half a line"); os.Exit(0) }`,
	"hangs":   `func TestA(t *testing.T) { t.Log("before"); time.Sleep(time.Hour) }`,
	"nobuild": `func TestA(t *testing.T) { undefined() }`,
	"none":    ``,
}

func write(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files := map[string]string{"go.mod": "module m\ngo 1.26\n"}
	for _, name := range names {
		files[name+"/x.go"] = "package " + name
		if tests[name] != "" {
			files[name+"/x_test.go"] = "package " + name + "\nimport (\"os\"; \"testing\"; \"time\")\nvar _, _ = os.Args, time.Now\n" + tests[name]
		}
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each way in which a package ends is told and has its exit code, also beside
// others that pass.
func TestRun(t *testing.T) {
	for name, want := range map[string]struct {
		packages string
		all      bool
		err      string // "" is none
		says     []string
		not      string
	}{
		"all well":       {"good none", true, "", []string{"ok  \tm/good\t", "?   \tm/none\t[no test files]"}, "quiet"},
		"a skip at home": {"good skip", false, "", []string{"ok  \tm/skip", "skipped\tm/skip TestA: x_test.go:4: no program\n", "skipped\tm/skip TestB/sub: no reason given\n"}, "--- SKIP"},
		"a skip in CI":   {"good skip", true, "2 tests were skipped", []string{"skipped\tm/skip TestA: "}, "FAIL"},
		"a failure":      {"good bad", false, "exit status 1", []string{"ok  \tm/good", "--- FAIL: TestB (", "--- FAIL: TestB/sub (", "x_test.go:5: loud\n", "FAIL\tm/bad\t"}, "quiet"},
		"a panic":        {"good panics", false, "exit status 1", []string{"ok  \tm/good", "before\n", "panic: boom", "x_test.go:4 ", "FAIL\tm/panics\t"}, "NO END"},
		"an exit":        {"good exits", false, "exit status 1", []string{"ok  \tm/good", "half a line", "FAIL\tm/exits\t"}, "ok  \tm/exits"},
		"a timeout":      {"hangs", false, "exit status 1", []string{"before\n", "panic: test timed out after 5s", "goroutine ", "FAIL\tm/hangs\t"}, "ok  \tm/hangs"},
		"no build":       {"good nobuild", false, "exit status 1", []string{"ok  \tm/good", "undefined: undefined", "FAIL\tm/nobuild [build failed]"}, "ok  \tm/nobuild"},
		"no package":     {"", false, "exit status 1", nil, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			args := []string{"-timeout=1m"}
			if want.packages == "hangs" {
				args = []string{"-timeout=5s"}
			}
			for _, p := range strings.Fields(want.packages) {
				args = append(args, "./"+p)
			}
			if want.packages == "" {
				args = append(args, "./missing")
			}
			err := run(t.Context(), write(t, strings.Fields(want.packages)...), args, &out, want.all)
			if (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
				t.Errorf("ended with %v, want %q", err, want.err)
			}
			for _, say := range want.says {
				if !strings.Contains(out.String(), say) {
					t.Errorf("%q is not told", say)
				}
			}
			if strings.Contains(out.String(), want.not) {
				t.Errorf("%q is told", want.not)
			}
			if t.Failed() {
				t.Logf("printed:\n%s", out.String())
			}
		})
	}
}

// Who interrupts gets an error and what there is, not a hanging process.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, write(t, "good"), []string{"./good"}, &strings.Builder{}, false); err == nil {
		t.Error("an interrupted run passed")
	}
}

// Where go test is gone in the middle, what has no end is told, and counts.
func TestStreamEndsEarly(t *testing.T) {
	for name, stream := range map[string]string{
		"behind an event":  `{"Action":"start","Package":"p"}` + "\n" + `{"Action":"output","Package":"p","Test":"TestA","Output":"  words\n"}` + "\n",
		"inside an event":  `{"Action":"output","Package":"p","Test":"TestA","Output":"  words\n"}` + "\n" + `{"Action":"pass","Pack`,
		"with a test done": `{"Action":"output","Package":"p","Test":"TestA","Output":"  words\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"TestA"}` + "\n",
	} {
		var out strings.Builder
		r := newReport(&out)
		if err := r.read(strings.NewReader(stream)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.finish()
		if r.failed != 1 || !strings.Contains(out.String(), "  words\n") || !strings.Contains(out.String(), "FAIL\tp [go test ended before its tests]\n") {
			t.Errorf("%s: %d failed, printed\n%s", name, r.failed, out.String())
		}
	}
}

// A data race is told under the test that spoke last, which may have passed.
func TestRaceBesideATest(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	err := r.read(strings.NewReader(`no event
{"Action":"output","Package":"p","Test":"TestA","Output":"WARNING: DATA RACE\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    x.go:1: quiet\n"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`))
	if want := "no event\n--- PASS: TestA (0.00s)\nWARNING: DATA RACE\nFAIL\tp\t0.1s\n"; err != nil || out.String() != want {
		t.Errorf("%v, printed %q, want %q", err, out.String(), want)
	}
}
