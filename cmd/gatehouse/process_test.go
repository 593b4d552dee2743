package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const adminPassword = "torture, but gently"

// A node is a gateway under test: one data folder, served by one process after
// the other, on ports of loopback that the kernel chooses.
type node struct {
	t       testing.TB
	data    string
	tree    string // where the files are, if not in the data folder
	logName string
	cmd     *exec.Cmd
	addr    map[string]string // of the doors, as the gateway prints them, or as way says
	place   *namespace        // where the process runs
	way     func(addr map[string]string) map[string]string
	ended   chan struct{} // closed when the process is gone
	err     error         // how it ended
	http    *http.Client  // to the local socket
	extra   []string      // of the environment
}

func newNode(t testing.TB, data string) *node {
	t.Helper()
	n := &node{t: t, data: data, logName: data + ".log"}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(n.data, "gatehouse.sock"))
	}
	n.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 8}}
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			text, _ := os.ReadFile(n.logName)
			t.Logf("the end of the log:\n%s", text[max(0, len(text)-6000):])
		}
	})
	return n
}

// files is where a tree path lies on disk.
func (n *node) files(tree string) string {
	return filepath.Join(cmp.Or(n.tree, filepath.Join(n.data, "files")), filepath.FromSlash(tree))
}

// launch starts the process and does not wait until it serves.
func (n *node) launch() (doors <-chan map[string]string) {
	n.t.Helper()
	binary, err := exec.LookPath("gatehouse")
	if err != nil {
		n.t.Fatal(err)
	}
	log, err := os.OpenFile(n.logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	n.cmd = exec.Command(binary, "serve")
	n.cmd.Dir, n.cmd.Stderr, n.cmd.Env = filepath.Dir(n.data), log, n.environment()
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.place.do(n.cmd.Start)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.ended = make(chan struct{})
	told := make(chan map[string]string, 1)
	go func(cmd *exec.Cmd, ended chan struct{}) {
		told <- addresses(out)
		_, _ = io.Copy(io.Discard, out)
		n.err = cmd.Wait()
		close(ended)
	}(n.cmd, n.ended)
	return told
}

func (n *node) environment() []string {
	env := []string{"GATEHOUSE_DATA=" + n.data, "GATEHOUSE_ADMIN_PASSWORD=" + adminPassword, "GATEHOUSE_SHUTDOWN_GRACE=10s"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR", "GORACE"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	for _, door := range []string{"SFTP", "FTP", "HTTP", "HTTPS", "METRICS"} {
		env = append(env, "GATEHOUSE_LISTEN_"+door+"=127.0.0.1:0")
	}
	return append(env, n.extra...)
}

// addresses reads where the doors are, as far as the gateway comes to say.
func addresses(out io.Reader) map[string]string {
	addr := make(map[string]string)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 2 {
			addr[words[0]] = words[1]
		}
		if len(words) > 0 && words[0] == "SSH" { // the host keys come last
			break
		}
	}
	return addr
}

// start serves, and returns when the gateway is ready.
func (n *node) start() {
	n.t.Helper()
	n.http.CloseIdleConnections()
	told := n.launch()
	timeout := time.After(60 * time.Second)
	select {
	case n.addr = <-told:
		if n.way != nil {
			n.addr = n.way(n.addr)
		}
	case <-timeout:
	}
	for n.addr["metrics"] != "" {
		resp, err := http.Get("http://" + n.addr["metrics"] + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-n.ended:
		case <-timeout:
		case <-time.After(5 * time.Millisecond):
			continue
		}
		break
	}
	n.t.Fatalf("the gateway does not start on %s", n.data)
}

// startAndKill kills a gateway that is just starting.
func (n *node) startAndKill(after time.Duration) {
	n.t.Helper()
	n.launch()
	select {
	case <-time.After(after):
	case <-n.ended:
		n.t.Fatalf("the gateway ended by itself as it started: %v", n.err)
	}
	n.kill()
}

// kill ends the gateway as a power cut would, but for what the kernel holds.
func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	<-n.ended
	n.cmd = nil
}

// stop drains the gateway, which must then end cleanly.
func (n *node) stop() {
	n.t.Helper()
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(45 * time.Second):
		n.t.Error("the gateway did not stop within 45 seconds")
		n.kill()
		return
	}
	n.cmd = nil
	if n.err != nil {
		n.t.Errorf("the gateway stopped: %v", n.err)
	}
}

// A statusError is an answer that says no.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d %s", e.status, e.text) }

// api asks over the local socket.
func (n *node) api(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, "http://localhost/api/v1"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := n.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &statusError{resp.StatusCode, string(text)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// must is api for what cannot fail.
func (n *node) must(method, path string, in, out any) {
	n.t.Helper()
	if err := n.api(method, path, in, out); err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// complaints are the lines of the log that no kill excuses.
func (n *node) complaints() []string {
	text, err := os.ReadFile(n.logName)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		serious := []string{"level=ERROR", "panic", "fatal error", "DATA RACE"}
		if slices.ContainsFunc(serious, func(s string) bool { return strings.Contains(line, s) }) {
			found = append(found, line)
		}
	}
	return found
}
