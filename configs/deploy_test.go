package configs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// closing is how long a gateway may take to close after its grace period.
const closing = 10 * time.Second

func TestDeployedNode(t *testing.T) {
	c, err := Load(Sources{File: "deploy/gatehouse.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if c.State.Kind != Redis || c.SecretKey != "" {
		t.Errorf("the state is in %q, the key %q", c.State.Kind, c.SecretKey)
	}
}

// The nodes of the compose file start with what it gives them, each has passive
// ports of its own, and both have time to end.
func TestComposeFile(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Environment map[string]string
			Grace       string `yaml:"stop_grace_period"`
		}
	}
	if err := yaml.Unmarshal([]byte(deployed(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ports := map[string]bool{}
	for _, name := range []string{"node-a", "node-b"} {
		service := file.Services[name]
		var env []string
		for k, v := range service.Environment {
			env = append(env, k+"="+strings.Replace(v, "/run/secrets/secret-key", key, 1))
		}
		c, err := Load(Sources{File: "deploy/gatehouse.yaml", Environ: env})
		if err != nil {
			t.Fatal(err)
		}
		if c.State.URL != "redis://redis:6379/0" || len(c.SecretKey) != 64 || ports[c.FTP.PassivePorts] {
			t.Errorf("%s: %s, %s", name, c.State.URL, c.FTP.PassivePorts)
		}
		ports[c.FTP.PassivePorts] = true
		if grace, err := time.ParseDuration(service.Grace); err != nil || grace <= c.ShutdownDelay+c.ShutdownGrace+closing {
			t.Errorf("%s is killed after %s, %v", name, service.Grace, err)
		}
		if !strings.Contains(deployed(t, "haproxy.cfg"), ":"+c.FTP.PassivePorts+`"`) {
			t.Errorf("HAProxy does not forward the passive ports %s", c.FTP.PassivePorts)
		}
	}
}

// Linux gives ports up to 60999 to outgoing connections, such as HAProxy's to the
// nodes: one of them in the range that it binds, and it did not start.
func TestPassivePortsAreNobodyElses(t *testing.T) {
	for _, name := range []string{"gatehouse.yaml", "compose.yaml", "haproxy.cfg", "Containerfile"} {
		found := regexp.MustCompile(`\b(\d{5})-\d{5}\b`).FindAllStringSubmatch(deployed(t, name), -1)
		if len(found) == 0 {
			t.Errorf("%s names no passive ports", name)
		}
		for _, m := range found {
			if m[1] <= "60999" {
				t.Errorf("%s: the ports %s are among those of outgoing connections", name, m[0])
			}
		}
	}
}

// A node that stops, or is not ready, has the data connections of who is there all the
// same: their transfers were refused by HAProxy. And where no node is ready the spare
// servers are asked, which have the addresses of the others: HAProxy took them away
// from servers that have a name instead of an address.
func TestHAProxySendsToNodesThatAreNotReady(t *testing.T) {
	section := ""
	for line := range strings.Lines(deployed(t, "haproxy.cfg")) {
		switch fields := strings.Fields(line); {
		case len(fields) == 2 && fields[0] == "listen":
			section = fields[1]
		case len(fields) > 2 && fields[0] == "server" && strings.HasPrefix(section, "ftp-data-") && !strings.HasSuffix(line, " no-check\n"):
			t.Errorf("%s is checked: %s", section, line)
		}
	}
	if !strings.Contains(deployed(t, "haproxy.cfg"), " resolve-opts allow-dup-ip") {
		t.Error("servers of one address are not allowed")
	}
}

func TestHAProxyTakesItsConfiguration(t *testing.T) {
	program := find(t, "haproxy")
	cmd := exec.CommandContext(t.Context(), program, "-c", "-f", "deploy/haproxy.cfg")
	cmd.Env = append(os.Environ(), "NODE_A=127.0.0.11", "NODE_B=127.0.0.12")
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("%v\n%s", err, out)
	}
}

// systemd knows every setting of the unit, and waits for a gateway that drains.
func TestSystemdTakesTheUnit(t *testing.T) {
	unit := deployed(t, "gatehouse.service")
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+s)$`).FindStringSubmatch(unit)
	if m == nil {
		t.Fatal("it does not say how long it may take to stop")
	}
	patience, err := time.ParseDuration(m[1])
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{File: "deploy/gatehouse.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if patience <= c.ShutdownDelay+c.ShutdownGrace+closing {
		t.Errorf("it is killed after %s", patience)
	}
	name := filepath.Join(t.TempDir(), "gatehouse.service")
	if err := os.WriteFile(name, []byte(strings.Replace(unit, "ExecStart=/usr/local/bin/gatehouse", "ExecStart=/bin/true", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), find(t, "systemd-analyze"), "verify", "--man=no", name).CombinedOutput()
	if strings.Contains(string(out), "gatehouse.service") { // what else it says is of this machine
		t.Errorf("%v\n%s", err, out)
	}
}

// find is where a program is that may be missing.
func find(t *testing.T, name string) string {
	t.Helper()
	for _, n := range []string{name, "/usr/sbin/" + name} {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}
