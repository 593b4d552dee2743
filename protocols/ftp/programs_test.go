package ftp

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// program runs a client that people have, and skips the test where it is missing.
func program(t *testing.T, name string, args ...string) (output string, err error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI does not accept that a client is missing")
		}
		t.Skipf("%s is not installed: its test is left out", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}

func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := program(t, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// someBytes are random and the same every time.
func someBytes(n int) string {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return string(b)
}

// ways are how programs speak to a site.
var ways = map[string]struct {
	change func(*Config)
	scheme string
	curl   []string
	lftp   string
}{
	"in clear":     {func(c *Config) { c.Require = Off }, "ftp", nil, "set ftp:ssl-allow false;"},
	"explicit TLS": {func(c *Config) { c.Require = Required }, "ftp", []string{"--ssl-reqd"}, "set ftp:ssl-force true; set ftp:ssl-protect-data true;"},
	"implicit TLS": {func(c *Config) { c.Mode = Implicit }, "ftps", []string{"--ssl-reqd"}, ""},
	"resumed TLS":  {func(c *Config) { c.Require, c.Resumption = Required, true }, "ftp", []string{"--ssl-reqd"}, "set ftp:ssl-force true; set ftp:ssl-protect-data true;"},
}

func TestCurl(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, way.change)
			p := s.Add("anna")
			curl := func(args ...string) string {
				t.Helper()
				args = append([]string{"-sS", "--cacert", certificateFile(t), "-u", p.Name + ":" + p.Password}, args...)
				return mustRun(t, "curl", append(args, way.curl...)...)
			}
			url := way.scheme + "://" + s.addr + "/"
			content := someBytes(3 << 20)
			local, part := filepath.Join(t.TempDir(), "local"), filepath.Join(t.TempDir(), "part")
			if err := os.WriteFile(local, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			curl("-T", local, "--ftp-create-dirs", url+"new/%C3%A4/up")
			if got, _ := s.Read("/home/anna/new/\u00e4/up"); got != content {
				t.Error("what went up is not what was sent")
			}
			curl("-o", part, url+"new/%C3%A4/up")
			if got, _ := os.ReadFile(part); string(got) != content {
				t.Error("what came down is not what is there")
			}
			if err := os.Truncate(part, 1<<20); err != nil {
				t.Fatal(err)
			}
			curl("-C", "-", "-o", part, url+"new/%C3%A4/up")
			if got, _ := os.ReadFile(part); string(got) != content {
				t.Error("a resumed download is not what is there")
			}
			s.Write("/home/anna/resumed", content[:1<<20])
			curl("-C", "-", "-T", local, url+"resumed")
			if got, _ := s.Read("/home/anna/resumed"); got != content {
				t.Error("a resumed upload is not what was sent")
			}
			if got := curl("-l", url); strings.Join(strings.Fields(got), " ") != "new resumed" {
				t.Errorf("listing: %q", got)
			}
			curl("-I", url+"resumed")
			curl("-Q", "DELE resumed", url)
			if _, there := s.Read("/home/anna/resumed"); there {
				t.Error("still there")
			}
		})
	}
}

// curl says so where TLS is missing or data would travel in clear.
func TestCurlIsRefused(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(site *policy.Site) { site.PlainFTP = policy.Deny })
	p := s.Add("anna")
	s.Write("/home/anna/f", "content")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"in clear":                  {nil, "curl: (67)"},
		"with data in clear":        {[]string{"--ftp-ssl-control"}, "curl: "},
		"with a wrong password":     {[]string{"--ssl-reqd", "-u", "anna:wrong"}, "curl: (67)"},
		"with an unknown authority": {[]string{"--ssl-reqd", "--cacert", "/dev/null"}, "curl: (77)"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"-sS", "--cacert", certificateFile(t), "-u", p.Name + ":" + p.Password}, c.args...)
			out, err := program(t, "curl", append(args, "ftp://"+s.addr+"/f")...)
			if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "content") {
				t.Errorf("curl %v: %v\n%s", c.args, err, out)
			}
		})
	}
}

// A tree goes up and comes down whole, with odd names, times and several
// transfers at once.
func TestLftp(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, way.change)
			p := s.Add("anna")
			local, back := t.TempDir(), t.TempDir()
			content := someBytes(1 << 20)
			for i, file := range []string{"a/b/c", "a/empty", "sp ace/\u00e4\u6f22", `quo"te`, "a;b", "d/100% sure", "-dash", "~tilde"} {
				full := filepath.Join(local, file)
				if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(full, []byte(content[:i*100_000]), 0o640); err != nil {
					t.Fatal(err)
				}
				when := time.Date(2020, 1, 2, 3, 4, i, 0, time.UTC)
				if err := os.Chtimes(full, when, when); err != nil {
					t.Fatal(err)
				}
			}
			lftp := func(script string) {
				t.Helper()
				script = fmt.Sprintf("set cmd:fail-exit true; set net:max-retries 1; set net:timeout 10; set ssl:ca-file %s; %s open -u '%s,%s' %s://%s; %s; bye",
					certificateFile(t), way.lftp, p.Name, p.Password, way.scheme, s.addr, script)
				mustRun(t, "lftp", "-c", script)
			}
			lftp("mirror -R --parallel=4 " + local + " /up")
			want := protocoltest.Files(t, local)
			if got := s.Files("/home/anna/up"); !maps.Equal(got, want) {
				t.Errorf("up went %v, want %v", sizes(got), sizes(want))
			}
			lftp("mirror --parallel=4 /up " + back)
			if got := protocoltest.Files(t, back); !maps.Equal(got, want) {
				t.Errorf("down came %v, want %v", sizes(got), sizes(want))
			}
			info, err := os.Stat(s.OnDisk("/home/anna/up/a/b/c"))
			if err != nil || !info.ModTime().Truncate(time.Second).Equal(time.Date(2020, 1, 2, 3, 4, 0, 0, time.UTC)) {
				t.Errorf("the time that went up: %v, %v", info.ModTime(), err)
			}
			lftp("mv /up/a/b/c /up/moved; rm -r /up/a; mkdir /up/n; chmod 600 /up/moved; cat /up/moved")
			if got := s.Files("/home/anna/up"); got["/moved"] != want["/a/b/c"] || len(got) != len(want)-1 {
				t.Errorf("after changes: %v", sizes(got))
			}
		})
	}
}

// rclone goes by MLSD, sends with eight connections at once, and compares. All
// its connections share one cache of TLS sessions, so it is refused where each
// data connection must resume its own control connection's.
func TestRclone(t *testing.T) {
	for name, way := range ways {
		if name == "resumed TLS" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := newSite(t, way.change)
			p := s.Add("anna")
			local, back := t.TempDir(), t.TempDir()
			content := someBytes(1 << 20)
			for i := range 60 {
				full := filepath.Join(local, fmt.Sprintf("d%d/\u00e4 %d", i%7, i))
				if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(full, []byte(content[:i*1000]), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			host, port, _ := strings.Cut(s.addr, ":")
			remote := fmt.Sprintf(":ftp,host=%s,port=%s,user=%s,pass=%s", host, port, p.Name, strings.TrimSpace(mustRun(t, "rclone", "obscure", p.Password)))
			switch {
			case s.config.Mode == Implicit:
				remote += ",tls=true,no_check_certificate=true"
			case s.config.Require == Required:
				remote += ",explicit_tls=true,no_check_certificate=true"
			}
			rclone := func(args ...string) {
				t.Helper()
				mustRun(t, "rclone", append(args, "--transfers", "8", "--retries", "1", "--low-level-retries", "1")...)
			}
			rclone("copy", local, remote+":up")
			rclone("check", "--download", local, remote+":up")
			rclone("copy", remote+":up", back)
			if got, want := protocoltest.Files(t, back), protocoltest.Files(t, local); !maps.Equal(got, want) {
				t.Errorf("down came %v, want %v", sizes(got), sizes(want))
			}
			rclone("moveto", remote+":up/d1", remote+":moved")
			rclone("purge", remote+":up")
			if got := s.Files("/home/anna"); len(got) != 9 || got["/moved/\u00e4 1"] == "" {
				t.Errorf("after moving and removing: %v", sizes(got))
			}
		})
	}
}

// sizes is a tree short enough to print.
func sizes(files map[string]string) map[string]int {
	short := make(map[string]int)
	for name, content := range files {
		short[name] = len(content)
	}
	return short
}
