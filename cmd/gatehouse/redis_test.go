package main

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// redis starts a Redis until the script ends: `redis [ARGS...]`. It writes all to
// its disk, and $REDIS is HOST:PORT.
func redis(ts *testscript.TestScript, _ bool, args []string) {
	port, err := freePort()
	ts.Check(err)
	ts.Check(ts.Exec("mkdir", "-p", "redis"))
	cmd := exec.Command("redis-server", append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", ts.MkAbs("redis"), "--logfile", ts.MkAbs("redis/log"), "--daemonize", "no",
		"--save", "", "--appendonly", "yes", "--appendfsync", "always",
	}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		out, err := exec.Command("redis-cli", "-p", port, "info").Output()
		own := fmt.Sprintf("process_id:%d\r", cmd.Process.Pid) // and not who took the port meanwhile
		if err == nil && strings.Contains(string(out), own) && !strings.Contains(string(out), "loading:1") {
			break
		}
		if time.Since(began) > 20*time.Second {
			ts.Fatalf("Redis does not start: see redis/log")
		}
	}
	ts.Setenv("REDIS", "127.0.0.1:"+port)
	ts.Setenv("REDIS_PORT", port)
}
