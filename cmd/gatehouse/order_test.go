package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/storage/state/redis/redistest"
)

const ordered = "files.example.org"

// An authority is an ACME server (pebble) of one test, which asks for challenges at
// an address of loopback.
type authority struct {
	directory, trust string // its address, and a file with who vouches for it
	log              string
}

func newAuthority(t *testing.T, challenged string) *authority {
	t.Helper()
	needs(t, "has:pebble")
	dir := t.TempDir()
	a := &authority{trust: filepath.Join(dir, "pebble.crt"), log: filepath.Join(dir, "log")}
	made := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-keyout", filepath.Join(dir, "pebble.key"), "-out", a.trust, "-days", "2", "-subj", "/CN=pebble", "-addext", "subjectAltName=IP:127.0.0.1")
	if text, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	_, port, err := net.SplitHostPort(challenged)
	if err != nil {
		t.Fatal(err)
	}
	address, dns := "127.0.0.1:"+redistest.Port(t), "127.0.0.1:"+redistest.Port(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": address, "certificate": a.trust, "privateKey": filepath.Join(dir, "pebble.key"),
		"httpPort": 1, "tlsPort": json.Number(port),
	}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "pebble.json"), config, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.directory = "https://" + address + "/dir"
	a.run(t, "pebble-challtestsrv", "-dns01", dns, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", "")
	a.run(t, "pebble", "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", dns)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("the ACME server does not answer: %v", err)
		}
	}
	return a
}

// run runs a program of the server until the test ends.
func (a *authority) run(t *testing.T, name string, args ...string) {
	t.Helper()
	program, err := look(name)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
}

// said is how often the server's log has a text.
func (a *authority) said(t *testing.T, text string) int {
	t.Helper()
	log, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), text)
}

// shown is the certificate that a node shows, as clients ask for it.
func shown(at string) ([]byte, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{ServerName: ordered, InsecureSkipVerify: true}}
	c, err := d.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	conn, ok := c.(*tls.Conn)
	if !ok {
		return nil, errors.New("no TLS")
	}
	return conn.ConnectionState().PeerCertificates[0].Raw, nil
}

// Clients come to two nodes at the same moment, and neither has a certificate yet: one
// orders it, also where its challenge reaches the other one, and the other takes it
// up. One that is started later orders nothing either.
func TestOneOfTwoNodesOrders(t *testing.T) {
	t.Parallel()
	redisURL, dir := persistent(t).URL(), t.TempDir()
	f := &fleet{t: t, tree: filepath.Join(dir, "tree"), front: map[string]*front{"HTTPS": newFront(t, 2)}, host: ssh.InsecureIgnoreHostKey()}
	acme := newAuthority(t, f.front["HTTPS"].addr)
	if err := os.Mkdir(f.tree, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		n := newNode(t, filepath.Join(dir, name))
		n.tree = f.tree
		n.extra = []string{
			"GATEHOUSE_STATE_KIND=redis", "GATEHOUSE_STATE_URL=" + redisURL, "GATEHOUSE_SECRET_KEY=" + strings.Repeat("5e", 32),
			"GATEHOUSE_MOUNTS=[{path: /, kind: local, dir: " + f.tree + "}]", "SSL_CERT_FILE=" + acme.trust,
			"GATEHOUSE_TLS_ACME_DOMAINS=" + ordered, "GATEHOUSE_TLS_ACME_DIRECTORY=" + acme.directory,
		}
		f.nodes = append(f.nodes, n)
		f.start(len(f.nodes) - 1)
	}
	const clients = 8
	var got [clients]string
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			raw, err := shown(f.nodes[i%2].addr["HTTPS"])
			if err != nil {
				t.Error(err)
			}
			got[i] = string(raw)
		})
	}
	all.Wait()
	for i := range got {
		if got[i] != got[0] || got[i] == "" {
			t.Errorf("the client %d is shown another certificate", i)
		}
	}
	f.nodes[1].stop()
	f.leave(1)
	f.start(1)
	if raw, err := shown(f.nodes[1].addr["HTTPS"]); err != nil || string(raw) != got[0] {
		t.Errorf("one that starts later shows another certificate, %v", err)
	}
	for _, text := range []string{"Added order", "Issued certificate"} {
		if n := acme.said(t, text); n != 1 {
			t.Errorf("the authority says %q %d times, want once", text, n)
		}
	}
	if status, err := f.nodes[1].readiness(); err != nil || status != http.StatusOK {
		t.Errorf("it is not ready: %d, %v", status, err)
	}
}
