package pages_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var screenshots = flag.String("screenshots", "", "a folder to put pictures of the pages into")

// The phone on which the pages are tested: the narrowest that is in use.
const phoneWidth, phoneHeight = 320, 640

// browser is a real Chromium without scripts, driven over the pipe of its
// DevTools protocol.
type browser struct {
	t       *testing.T
	ctx     context.Context
	to      *os.File
	session string
	loaded  chan struct{}

	mu      sync.Mutex // guards what follows
	id      int
	waiting map[int]chan answer
	shots   int
}

type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// newBrowser starts Chromium, which ends with the test. Where there is none the
// test is skipped; CI must have one.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("chromium is missing, which CI does not accept")
	case err != nil:
		t.Skip("chromium is not installed: the pages were not looked at")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	profile, err := os.MkdirTemp("", "chromium")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(profile) }) // what a dying child still writes is left to the system
	fromUs, to, err := os.Pipe()
	must(t, err)
	from, toUs, err := os.Pipe()
	must(t, err)
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--ignore-certificate-errors", // the test server's is its own
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{fromUs, toUs} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	must(t, cmd.Start())
	_ = fromUs.Close()
	_ = toUs.Close()
	b := &browser{t: t, ctx: ctx, to: to, loaded: make(chan struct{}, 16), waiting: map[int]chan answer{}}
	read := make(chan struct{})
	go func() { defer close(read); b.read(from) }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = to.Close()
		<-read // the pipe ends with the last process that holds it
		_ = from.Close()
	})
	b.attach()
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read hands on what Chromium says, until it ends.
func (b *browser) read(from *os.File) {
	r := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(bytes.TrimRight(text, "\x00"), &a) != nil {
			continue
		}
		if a.Method == "Page.loadEventFired" {
			select {
			case b.loaded <- struct{}{}:
			default: // nobody waits
			}
		}
		b.mu.Lock()
		if c := b.waiting[a.ID]; c != nil && a.ID != 0 {
			delete(b.waiting, a.ID)
			c <- a
		}
		b.mu.Unlock()
	}
}

// call asks Chromium, and decodes the result into out unless that is nil.
func (b *browser) call(method string, params, out any) {
	b.t.Helper()
	c := make(chan answer, 1)
	b.mu.Lock()
	b.id++
	id := b.id
	b.waiting[id] = c
	b.mu.Unlock()
	text, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Session string `json:"sessionId,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{id, b.session, method, params})
	must(b.t, err)
	_, err = b.to.Write(append(text, 0))
	must(b.t, err)
	select {
	case a := <-c:
		if a.Error != nil {
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if out != nil {
			must(b.t, json.Unmarshal(a.Result, out))
		}
	case <-b.ctx.Done():
		b.t.Fatalf("%s: no answer in time", method)
	}
}

type object = map[string]any

// attach opens a tab: a phone, without scripts.
func (b *browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", object{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil, nil)
	b.call("Emulation.setScriptExecutionDisabled", object{"value": true}, nil)
	b.call("Emulation.setDeviceMetricsOverride", object{"width": phoneWidth, "height": phoneHeight, "deviceScaleFactor": 1, "mobile": true}, nil)
	b.scheme("dark")
}

// scheme chooses what prefers-color-scheme answers.
func (b *browser) scheme(name string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": name}}}, nil)
}

// open goes to an address and waits for the page.
func (b *browser) open(address string) {
	b.t.Helper()
	b.then(func() { b.call("Page.navigate", object{"url": address}, nil) })
}

// then does what leads to another page, and waits for it. A load that belongs to
// the page before does not count.
func (b *browser) then(act func()) {
	b.t.Helper()
	for len(b.loaded) > 0 {
		<-b.loaded
	}
	b.eval("window.before = true", nil)
	act()
	for before := true; before; b.eval("window.before === true", &before) {
		select {
		case <-b.loaded:
		case <-b.ctx.Done():
			b.t.Fatal("the page did not load")
		}
	}
}

// eval asks the page itself; the tester may, the page's own scripts may not.
func (b *browser) eval(expression string, out any) {
	b.t.Helper()
	var got struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", object{"expression": expression, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, got.ExceptionDetails.Text)
	}
	if out != nil {
		must(b.t, json.Unmarshal(got.Result.Value, out))
	}
}

// text is what a person reads of an element.
func (b *browser) text(selector string) string {
	b.t.Helper()
	var s *string
	b.eval(fmt.Sprintf("(e => e && e.innerText)(document.querySelector(%s))", strconv.Quote(selector)), &s)
	if s == nil {
		b.t.Fatalf("there is no %s on the page:\n%s", selector, b.text("body"))
	}
	return *s
}

// fill types into a field, which a person finds by its label.
func (b *browser) fill(label, text string) {
	b.t.Helper()
	var found bool
	b.eval(fmt.Sprintf(`(t => { const l = [...document.querySelectorAll("label")].find(l => l.innerText.includes(t)); if (!l || !l.control) return false; l.control.focus(); l.control.select(); return true })(%s)`,
		strconv.Quote(label)), &found)
	if !found {
		b.t.Fatalf("there is no field %q on the page:\n%s", label, b.text("body"))
	}
	b.call("Input.insertText", object{"text": text}, nil)
}

// press clicks what says so, and waits for the page that follows.
func (b *browser) press(label string) {
	b.t.Helper()
	var at *struct{ X, Y float64 }
	b.eval(fmt.Sprintf(`(t => { const e = [...document.querySelectorAll("button, a")].find(e => e.innerText.trim() == t); if (!e) return null; e.scrollIntoView({block: "center"}); const r = e.getClientRects()[0]; return {X: r.x + r.width / 2, Y: r.y + r.height / 2} })(%s)`,
		strconv.Quote(label)), &at)
	if at == nil {
		b.t.Fatalf("there is nothing to press that says %q on the page:\n%s", label, b.text("body"))
	}
	b.then(func() {
		for _, kind := range []string{"mousePressed", "mouseReleased"} {
			b.call("Input.dispatchMouseEvent", object{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
		}
	})
}

// on demands a page by its heading, and looks at it as a whole.
func (b *browser) on(heading string) {
	b.t.Helper()
	if got := b.text("h1"); got != heading {
		b.t.Fatalf("the page is %q, want %q:\n%s", got, heading, b.text("body"))
	}
	b.inspect(heading)
}

// picture keeps how the page looks, where somebody asked for it.
func (b *browser) picture(name string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	b.shots++
	var got struct{ Data string }
	b.call("Page.captureScreenshot", object{"format": "png", "captureBeyondViewport": true}, &got)
	data, err := base64.StdEncoding.DecodeString(got.Data)
	must(b.t, err)
	file := fmt.Sprintf("%02d-%s.png", b.shots, strings.ReplaceAll(name, " ", "-"))
	must(b.t, os.WriteFile(filepath.Join(*screenshots, file), data, 0o600))
}
