package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// TestScripts runs the stock clients against the binary. Each script begins
// with `start`, which serves on free ports of loopback: $SFTP, $FTP, $FTPS,
// $HTTP and $HTTPS are HOST:PORT, and each has its ..._PORT.
func TestScripts(t *testing.T) {
	p := params()
	p.Dir = "testdata"
	testscript.Run(t, p)
}

// params are what scripts have at hand.
func params() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":    start,
			"drain":    drain,
			"crash":    crash,
			"eventual": eventual,
			"takes":    takes,
			"tree":     tree,
			"proxy":    proxy,
			"totp":     totp,
			"redis":    redis,
		},
	}
}

// condition answers [has:PROGRAM] and [fuse]. In CI everything must be there:
// what is missing fails the script instead of skipping it.
func condition(cond string) (bool, error) {
	missing := ""
	if name, ok := strings.CutPrefix(cond, "has:"); ok {
		if _, err := look(name); err != nil {
			missing = name
		}
	} else if cond == "fuse" {
		if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
			missing = "/dev/fuse"
		} else {
			_ = f.Close()
		}
	} else if cond == "root" {
		if os.Getuid() != 0 {
			missing = "root"
		}
	} else {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	if missing != "" && os.Getenv("CI") != "" {
		return false, fmt.Errorf("%s is missing, which CI does not accept", missing)
	}
	return missing == "", nil
}

// needs leaves a test out where a condition does not hold, which fails it in CI.
func needs(t *testing.T, cond string) {
	t.Helper()
	if holds, err := condition(cond); err != nil {
		t.Fatal(err)
	} else if !holds {
		t.Skipf("%s: there is none here", cond)
	}
}

func look(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	if p, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
		return p, nil
	}
	return exec.LookPath(filepath.Join("../../bin", name))
}

type gatewayKey struct{}

// gateway is the one that a script has started.
type gateway struct {
	cmd  *exec.Cmd
	log  *os.File
	done chan error
}

var doors = []string{"SFTP", "FTP", "FTPS", "HTTP", "HTTPS", "METRICS"}

func setup(env *testscript.Env) error {
	for _, door := range doors {
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(door, "127.0.0.1:"+port)
		env.Setenv(door+"_PORT", port)
		env.Setenv("GATEHOUSE_LISTEN_"+door, "127.0.0.1:"+port)
	}
	for _, name := range []string{"PORT1", "PORT2", "PORT3"} { // for servers that a script starts
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(name, port)
	}
	tools, err := filepath.Abs("../../bin")
	if err != nil {
		return err
	}
	env.Setenv("DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("GATEHOUSE_DATA", filepath.Join(env.WorkDir, "data"))
	env.Setenv("HOME", env.WorkDir)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("ask go for its root: %w", err)
	}
	env.Setenv("GOROOT", strings.TrimSpace(string(goroot)))
	env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin:"+tools)
	ssh := filepath.Join(env.WorkDir, "ssh_config")
	env.Setenv("SSH_CONFIG", ssh)
	options := "BatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile " + filepath.Join(env.WorkDir, "known_hosts") + "\n"
	if err := os.WriteFile(ssh, []byte(options), 0o600); err != nil {
		return err
	}
	env.Values[gatewayKey{}] = &gateway{}
	g := env.Values[gatewayKey{}].(*gateway)
	env.Defer(func() { g.end(syscall.SIGKILL) })
	return nil
}

// taken is the last port that freePort has looked at. It begins somewhere, for
// others who look at the same time.
var taken atomic.Int32

// freePort finds a port that nobody listens on now. It lies below those that the
// system gives to connections, of which one could have it before the gateway
// comes to listen, and below those of redistest, and it is given to no other script.
func freePort() (string, error) {
	taken.CompareAndSwap(0, 10_100+rand.Int32N(8_000)) // to 10,080 no browser goes
	for {
		port := taken.Add(1)
		if port > 22_000 {
			return "", errors.New("there is no free port")
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return strconv.Itoa(int(port)), l.Close()
	}
}

// start serves, and returns when the gateway is ready. Arguments go to serve.
func start(ts *testscript.TestScript, neg bool, args []string) {
	g := ts.Value(gatewayKey{}).(*gateway)
	binary, err := exec.LookPath("gatehouse")
	ts.Check(err)
	logName := ts.MkAbs("gatehouse.log")
	g.log, err = os.OpenFile(logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	g.cmd = exec.Command(binary, append([]string{"serve"}, args...)...)
	g.cmd.Env = environment(ts)
	g.cmd.Dir = ts.MkAbs(".")
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	ts.Check(g.cmd.Start())
	g.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(g.cmd, g.done)
	err = ready(g, "http://"+ts.Getenv("METRICS")+"/readyz")
	if neg == (err == nil) {
		text, _ := os.ReadFile(logName)
		ts.Fatalf("start: %v\n%s", err, text)
	}
}

// environment hands the script's own variables on.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "WORK", "GATEHOUSE_DATA", "GATEHOUSE_ADMIN_PASSWORD", "GOCOVERDIR", "SSL_CERT_FILE", "TMPDIR"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	for _, door := range doors {
		env = append(env, "GATEHOUSE_LISTEN_"+door+"="+ts.Getenv("GATEHOUSE_LISTEN_"+door))
	}
	return env
}

func ready(g *gateway, url string) error {
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case err := <-g.done:
			g.done <- err
			return fmt.Errorf("the gateway ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		resp, err := http.Get(url)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("the gateway is not ready after 30 seconds")
}

// end stops the gateway with a signal and returns how it ended.
func (g *gateway) end(s syscall.Signal) error {
	if g.cmd == nil {
		return nil
	}
	_ = g.cmd.Process.Signal(s)
	var err error
	select {
	case err = <-g.done:
	case <-time.After(45 * time.Second):
		_ = g.cmd.Process.Kill()
		<-g.done
		err = errors.New("the gateway did not end within 45 seconds")
	}
	g.cmd = nil
	_ = g.log.Close()
	return err
}

// drain stops the gateway, which must then end cleanly.
func drain(ts *testscript.TestScript, neg bool, _ []string) {
	g := ts.Value(gatewayKey{}).(*gateway)
	if err := g.end(syscall.SIGTERM); (err != nil) != neg {
		text, _ := os.ReadFile(ts.MkAbs("gatehouse.log"))
		ts.Fatalf("drain: %v\n%s", err, text)
	}
}

// crash ends the gateway as a power cut would.
func crash(ts *testscript.TestScript, _ bool, _ []string) {
	_ = ts.Value(gatewayKey{}).(*gateway).end(syscall.SIGKILL)
}

// eventual repeats a command until it succeeds (with !: fails), for as long as a
// slow machine may need.
func eventual(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		if err = ts.Exec(args[0], args[1:]...); (err != nil) == neg {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("eventual %v: %v", args, err)
}

// takes runs a command that must succeed, and not before some time has gone by:
// `takes TIME PROGRAM ARGS...`.
func takes(ts *testscript.TestScript, _ bool, args []string) {
	least, err := time.ParseDuration(args[0])
	ts.Check(err)
	began := time.Now()
	ts.Check(ts.Exec(args[1], args[2:]...))
	if took := time.Since(began); took < least {
		ts.Fatalf("%v took %v", args[1:], took)
	}
}

// tree copies a real tree of files: `tree SOURCE TARGET`, links left out.
func tree(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("rclone", "copy", "--config", "/dev/null", "--skip-links", args[0], ts.MkAbs(args[1])))
}
