package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// BenchmarkQuotaCost is what quotas cost: the processor time of the server, with
// two quotas above what is written, as a part of that without any. Each round
// uploads new files with and without, in turns, and the median of all rounds
// counts. Writes are those at the store during the first upload with quotas; the
// later ones take the room that the files before them have left.
//
//	go test -run '^$' -bench QuotaCost -benchtime 15x ./cmd/gatehouse
//
// The store is where TMPDIR is: a real disk, or the figures say nothing. The
// uploads go to memory (BENCH_FILES, else /dev/shm): what the kernel does for a
// disk is charged to whom it happens to meet, and hides what is looked for.
func BenchmarkQuotaCost(b *testing.B) {
	const gib = 1 << 30
	gateway := newNode(b, filepath.Join(b.TempDir(), "data"))
	files := inMemory(b)
	gateway.extra = append(gateway.extra, "GATEHOUSE_CONFIG="+fileWith(b, "gatehouse.yaml", "mounts: [{path: /, kind: local, dir: "+files+"}]\n"))
	gateway.start()
	key := newLoadKey(b)
	gateway.must(http.MethodPatch, "/site", map[string]any{"plain_ftp": "allow"}, nil)
	for _, account := range []string{"with", "without"} {
		settings := map[string]any{"username": account, "password": accountPassword, "keys": []string{string(ssh.MarshalAuthorizedKey(key.PublicKey()))}}
		if account == "with" {
			settings["quota"] = map[string]any{"limit_bytes": 1 << 40, "limit_files": 1 << 30}
		}
		gateway.must(http.MethodPost, "/accounts", settings, nil)
		if err := os.MkdirAll(filepath.Join(files, "home", account, "in"), 0o750); err != nil {
			b.Fatal(err)
		}
	}
	gateway.must(http.MethodPut, "/quotas", map[string]any{"path": "/home/with/in", "limit_bytes": 1 << 39, "limit_files": 1 << 20}, nil)
	host := trustOnce()
	for _, door := range []string{"SFTP", "FTP", "WebDAV"} {
		for _, load := range []struct {
			name  string
			files int
			size  int64
		}{{"1 GiB", 1, gib}, {"4 KiB files", 500, 4096}} {
			b.Run(door+"/"+load.name, func(b *testing.B) {
				compare(b, gateway, func(account string) {
					c, err := connectFor(gateway, door, account, key, host)
					if err != nil {
						b.Fatal(err)
					}
					defer c.close()
					for i := range load.files {
						if err := send(c, fmt.Sprint("f", i), load.size); err != nil {
							b.Fatal(err)
						}
					}
				}, func(account string) {
					c, err := overDAV(gateway.addr["HTTP"], account, "/in", accountPassword)
					if err != nil {
						b.Fatal(err)
					}
					defer c.close()
					for i := range load.files {
						if err := c.do(step{verb: remove, name: fmt.Sprint("f", i)}); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
	gateway.stop()
}

// inMemory is a new folder on a file system that has no disk below it, where
// the machine has one.
func inMemory(b *testing.B) string {
	b.Helper()
	if dir := os.Getenv("BENCH_FILES"); dir != "" {
		return dir
	}
	dir, err := os.MkdirTemp("/dev/shm", "gatehouse")
	if err != nil {
		return b.TempDir()
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func fileWith(t testing.TB, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// compare reports the median of with to without, and what was written to the
// store with quotas.
func compare(b *testing.B, n *node, upload, remove func(account string)) {
	b.Helper()
	var writes float64
	for _, account := range []string{"with", "without"} {
		written := n.storeWrites(b)
		upload(account)
		if account == "with" {
			writes = n.storeWrites(b) - written
		}
		remove(account)
	}
	var ratios []float64
	spent := map[string][]float64{}
	for round := 0; b.Loop(); round++ {
		took := map[string]time.Duration{}
		order := []string{"with", "without"}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, account := range order {
			unix.Sync() // what the round before has left to be written is none of this one's cost
			before := n.processorTime(b)
			upload(account)
			took[account] = n.processorTime(b) - before
			spent[account] = append(spent[account], took[account].Seconds())
			remove(account)
		}
		ratios = append(ratios, float64(took["with"])/float64(took["without"]))
	}
	quartile := func(of []float64, q int) float64 {
		slices.Sort(of)
		return of[len(of)*q/4]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(100*(quartile(ratios, 2)-1), "%more")
	b.ReportMetric(100*(quartile(ratios, 1)-1), "%more-at-1/4")
	b.ReportMetric(100*(quartile(ratios, 3)-1), "%more-at-3/4")
	// What disturbs a round only adds to it: the quiet ones tell best.
	b.ReportMetric(100*(quartile(spent["with"], 1)/quartile(spent["without"], 1)-1), "%more-when-quiet")
	b.ReportMetric(1000*quartile(spent["with"], 2), "cpu-ms")
	b.ReportMetric(writes, "store-writes")
}

// connectFor logs somebody in at a door.
func connectFor(n *node, door, account string, key ssh.Signer, host ssh.HostKeyCallback) (client, error) {
	switch door {
	case "SFTP":
		return overSFTP(n.addr["SFTP"], account, "/in", key, host)
	case "FTP":
		return overFTP(n.addr["FTP"], account, "/in", accountPassword)
	}
	return overDAV(n.addr["HTTP"], account, "/in", accountPassword)
}

// send uploads zeros, which no client holds in memory.
func send(c client, name string, size int64) error {
	switch c := c.(type) {
	case *sftpClient:
		f, err := c.files.OpenFile(path.Join(c.folder, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return err
		}
		_, err = f.ReadFromWithConcurrency(io.LimitReader(zeros{}, size), 16)
		return errors.Join(err, f.Close())
	case *ftpClient:
		return sendOverFTP(c, path.Join(c.folder, name), size)
	case *davClient:
		req, err := http.NewRequest(http.MethodPut, c.at(name), io.LimitReader(zeros{}, size))
		if err != nil {
			return err
		}
		req.ContentLength = size
		req.SetBasicAuth(c.account, c.password)
		resp, err := c.http.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 300 {
			err = &statusError{resp.StatusCode, ""}
		}
		return errors.Join(err, resp.Body.Close())
	}
	return fmt.Errorf("%T sends nothing", c)
}

func sendOverFTP(c *ftpClient, name string, size int64) error {
	text, err := c.ask(2, "EPSV")
	if err != nil {
		return err
	}
	fields := strings.Split(text, "|")
	if len(fields) != 5 {
		return fmt.Errorf("EPSV: %q", text)
	}
	data, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", fields[3]), patience)
	if err != nil {
		return err
	}
	if _, err = c.ask(1, "STOR %s", name); err == nil {
		_, err = io.Copy(data, io.LimitReader(zeros{}, size))
	}
	if err = errors.Join(err, data.Close()); err != nil {
		return err
	}
	_, err = c.answer(2)
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// processorTime is what all threads of the gateway have had of the processors.
func (n *node) processorTime(t testing.TB) (sum time.Duration) {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(n.cmd.Process.Pid) + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// storeWrites is how often the gateway has written to its store.
func (n *node) storeWrites(t testing.TB) (sum float64) {
	t.Helper()
	resp, err := http.Get("http://" + n.addr["metrics"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(name, "gatehouse_store_seconds_count") && (strings.Contains(name, `"apply"`) || strings.Contains(name, `"count"`)) {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}
