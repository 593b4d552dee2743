package sftp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// served is the variable that makes this test binary a server of its own.
const served = "GATEHOUSE_TEST_SERVE_SFTP"

// TestServe is the gateway of BenchmarkOpenSSH, in a process of its own so that
// its use of the processor can be told from the client's. It ends with its input.
func TestServe(t *testing.T) {
	key := os.Getenv(served)
	if key == "" {
		return
	}
	w := newWorld(t)
	w.add("alice")
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	w.authorize("alice", public)
	w.serve()
	fmt.Printf("%s %s\n", w.address, w.home("alice"))
	io.Copy(io.Discard, os.Stdin)
}

// A rival is a server in a process of its own.
type rival struct {
	process *os.Process
	port    string
	user    string
	dir     string // the user's files
}

// cpu is the processor time of the server and of its children that have ended,
// in seconds.
func (r *rival) cpu(b *testing.B) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks float64
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseFloat(f, 64)
		ticks += n
	}
	return ticks / 100
}

// settled waits until the server has reaped what served the last transfer.
func (r *rival) settled() {
	children := fmt.Sprintf("/proc/%d/task/%d/children", r.process.Pid, r.process.Pid)
	for range 200 {
		if b, err := os.ReadFile(children); err != nil || len(b) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func startGatehouse(b *testing.B, key string) *rival {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestServe$")
	cmd.Env = append(os.Environ(), served+"="+key, "TMPDIR="+fast(b))
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	address, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	_, port, _ := net.SplitHostPort(address)
	return &rival{cmd.Process, port, "alice", dir}
}

func startSSHD(b *testing.B, key string) *rival {
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil || os.Getuid() != 0 {
		b.Skip("sshd is not installed, or this is not root: nothing to compare with")
	}
	dir := fast(b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	run(b, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "host"))
	os.WriteFile(filepath.Join(dir, "authorized"), []byte(key), 0o600)
	os.MkdirAll("/run/sshd", 0o755)
	config := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nStrictModes no\n"+
		"PermitRootLogin yes\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n", port, dir, dir)
	os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600)
	cmd := exec.Command(sshd, "-D", "-f", filepath.Join(dir, "config"))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 100 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return &rival{cmd.Process, port, "root", dir}
}

// fast is a folder in memory.
func fast(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "gatehouse")
	if err != nil {
		b.Skip("there is no /dev/shm: a disk would be measured")
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func run(b *testing.B, name string, args ...string) {
	b.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// transfers is how much one transfer of the benchmark moves.
const transferred = 256 << 20

// BenchmarkOpenSSH moves a file with OpenSSH's sftp to and from the gateway and
// to and from sshd, in turns, and tells what each transfer costs the server in
// processor seconds for each GiB, and the ratio of the two.
func BenchmarkOpenSSH(b *testing.B) {
	for _, cipher := range []string{"aes128-gcm@openssh.com", "aes128-ctr", "chacha20-poly1305@openssh.com"} {
		b.Run(cipher, func(b *testing.B) { compare(b, cipher) })
	}
}

func compare(b *testing.B, cipher string) {
	local := fast(b)
	key := filepath.Join(local, "key")
	run(b, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(local, "file")
	if err := os.WriteFile(file, []byte(content(transferred)), 0o600); err != nil {
		b.Fatal(err)
	}
	ours, theirs := startGatehouse(b, string(public)), startSSHD(b, string(public))
	cost, took := map[string]float64{}, map[string]time.Duration{}
	move := func(name string, r *rival, command string) {
		batch := filepath.Join(local, "batch")
		os.WriteFile(batch, []byte(command+"\n"), 0o600)
		r.settled()
		before, start := r.cpu(b), time.Now()
		run(b, "sftp", "-F", "none", "-q", "-b", batch, "-P", r.port, "-i", key, "-o", "Ciphers="+cipher, "-o", "MACs=hmac-sha2-256-etm@openssh.com",
			"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", r.user+"@127.0.0.1")
		took[name] += time.Since(start)
		r.settled()
		cost[name] += r.cpu(b) - before
	}
	n := 0.0
	for b.Loop() {
		n++
		for name, r := range map[string]*rival{"gatehouse": ours, "sshd": theirs} {
			remote := filepath.Join(r.dir, "file")
			if name == "gatehouse" {
				remote = "/file"
			}
			move(name+"-put", r, "put "+file+" "+remote)
			move(name+"-get", r, "get "+remote+" "+filepath.Join(local, "back"))
			run(b, "cmp", file, filepath.Join(local, "back"))
		}
	}
	const gib = float64(transferred) / (1 << 30)
	for _, way := range []string{"get", "put"} {
		for _, name := range []string{"gatehouse-", "sshd-"} {
			b.ReportMetric(cost[name+way]/n/gib, name+way+"-cpu-s/GiB")
			b.ReportMetric(transferred/(1<<20)*n/took[name+way].Seconds(), name+way+"-MB/s")
		}
		b.ReportMetric(cost["gatehouse-"+way]/cost["sshd-"+way], way+"-cpu-ratio")
	}
}
