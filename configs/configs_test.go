package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/configs"
)

func TestTheExampleIsTheDefaults(t *testing.T) {
	got, err := configs.Load(configs.Sources{File: "gatehouse.example.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	want, err := configs.Load(configs.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range want.Values() {
		have := got.Values()[i]
		if v.Key != have.Key || !same(v.Value, have.Value) {
			t.Errorf("example has %s: %v, the default is %v", have.Key, have.Value, v.Value)
		}
		if have.Origin != "file" {
			t.Errorf("%s does not stand in the example", v.Key)
		}
	}
}

// same treats an empty list and none alike.
func same(a, b any) bool {
	if v := reflect.ValueOf(a); v.Kind() == reflect.Slice && v.Len() == 0 {
		return reflect.ValueOf(b).Len() == 0
	}
	return reflect.DeepEqual(a, b)
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLoadLaysOneSourceOverTheOther(t *testing.T) {
	secret := write(t, "  redis://secret@host \n")
	l, err := configs.Load(configs.Sources{
		File: write(t, `
data: /srv/gatehouse
state: {kind: redis, wait_replicas: 2}
listen: {sftp: ":22", ftp: ""}
shutdown_grace: 5s
mounts:
  - {path: /, dir: DATA/tree}
  - {path: /media, dir: /srv/media, uid: 1000}
ftp: {public_address: [{from: 10.0.0.0/8, address: 10.1.1.1}, {address: ftp.example.org}]}
`),
		Environ: []string{"GATEHOUSE_LISTEN_FTP=:21", "GATEHOUSE_LISTEN_SFTP=:23", "GATEHOUSE_STATE_URL_FILE=" + secret,
			"GATEHOUSE_TLS_ACME_DOMAINS=a.example, b.example", "GATEHOUSE_SERVICE_HOST=1.2.3.4", "GATEHOUSE_ADMIN_PASSWORD=x", "HOME=/root"},
		Flags: map[string]string{"listen.sftp": ":24"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.Listen.SFTP != ":24" || l.Origin["listen.sftp"] != "flag" {
		t.Errorf("listen.sftp is %q from %s, want :24 from flag", l.Listen.SFTP, l.Origin["listen.sftp"])
	}
	if l.Listen.FTP != ":21" || l.Origin["listen.ftp"] != "environment" {
		t.Errorf("listen.ftp is %q from %s, want :21 from environment", l.Listen.FTP, l.Origin["listen.ftp"])
	}
	if l.State.URL != "redis://secret@host" || l.State.WaitReplicas != 2 {
		t.Errorf("state is %+v", l.State)
	}
	if want := []string{"a.example", "b.example"}; !reflect.DeepEqual(l.TLS.ACME.Domains, want) {
		t.Errorf("domains are %q, want %q", l.TLS.ACME.Domains, want)
	}
	if l.ShutdownGrace != 5*time.Second || l.Mounts[0].Dir != "/srv/gatehouse/tree" || l.Mounts[1].UID != 1000 || l.Mounts[1].FileMode != "0640" {
		t.Errorf("got %+v", l.Config)
	}
	if len(l.FTP.PublicAddress) != 2 || l.FTP.PublicAddress[0].From != "10.0.0.0/8" {
		t.Errorf("public address is %+v", l.FTP.PublicAddress)
	}
	shown := make(map[string]string)
	for _, v := range l.Values() {
		shown[v.Key] = v.Text()
	}
	if shown["state.url"] != "(redacted)" {
		t.Errorf("the secret shows as %s", shown["state.url"])
	}
	// A list is shown as it may be written.
	if got := shown["ftp.public_address"]; !strings.Contains(got, "{from: 10.0.0.0/8, address: 10.1.1.1}") {
		t.Errorf("the public address shows as %s", got)
	}
}

// A variable that begins as a key does and is none stops the start, but for what
// others read, and what container platforms set for a service of this name.
func TestUnknownVariablesStopTheStart(t *testing.T) {
	for name, stops := range map[string]bool{
		"GATEHOUSE_LISTEN_BOGUS": true, "GATEHOUSE_": true, "GATEHOUSE_listen_ftp": true, "GATEHOUSE_PORTS": true, "GATEHOUSE_PORT_22": true,
		"GATEHOUSE_SERVICE": true, "GATEHOUSE_BOGUS_FILE": true, "GATEHOUSE_PORT_22_TCP_HOST": true,
		"GATEHOUSE_SERVICE_HOST": false, "GATEHOUSE_SERVICE_PORT": false, "GATEHOUSE_SERVICE_PORT_SFTP": false, "GATEHOUSE_PORT": false,
		"GATEHOUSE_PORT_2222_TCP": false, "GATEHOUSE_PORT_2222_TCP_PROTO": false, "GATEHOUSE_PORT_2222_TCP_PORT": false,
		"GATEHOUSE_PORT_2222_TCP_ADDR": false, "GATEHOUSE_TOKEN": false, "GATEHOUSE_PIN": false, "OTHER_THING": false,
	} {
		_, err := configs.Load(configs.Sources{Environ: []string{name + "=1"}})
		if (err != nil) != stops || stops && !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s: %v, want it to stop the start: %v", name, err, stops)
		}
	}
}

func TestEveryProblemIsListedByItsKey(t *testing.T) {
	_, err := configs.Load(configs.Sources{File: write(t, `
data: ""
listen: {sftp: nonsense, ftp: ":2121", https: ":2121", htps: ":1", http: 5}
ftp: {passive_ports: "5-4", tls: maybe, active: perhaps, tls_session_reuse: never}
tls: {certificate: a.pem, acme: {directory: "http://x"}}
sftp: {legacy: [{from: nowhere, algorithms: [rot13]}, {from: 10.0.0.0/8}, {from: 10.0.0.1, algorithms: [diffie-hellman-group14-sha1, ssh-rsa]}]}
state: {kind: redis9}
mounts: [{path: /a/../b, dir: ""}, {path: /x, dir: /x, fsync: often, file_mode: "4755"}, {path: /y, dri: /y}]
trusted_proxies: [banana]
webhooks: {allow: [10.0.0.0/33]}
proxy_protocol: [gopher]
log: loud
site_url: files.example.org
shutdown_delay: -1s
shutdown_grace: soon
quota_check: 1s
`)})
	var problems configs.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want Problems", err)
	}
	for _, key := range []string{
		"data", "sftp.legacy[0].from", "sftp.legacy[0].algorithms", "sftp.legacy[1].algorithms", "listen.sftp", "listen.https", "listen.htps", "ftp.passive_ports", "ftp.tls", "ftp.active", "ftp.tls_session_reuse",
		"tls.certificate", "tls.acme.directory", "state.kind", "mounts", "trusted_proxies", "webhooks.allow", "proxy_protocol", "log", "site_url", "shutdown_delay", "shutdown_grace", "quota_check",
	} {
		if !strings.Contains(err.Error(), "  "+key+": ") {
			t.Errorf("no problem for %s in:\n%v", key, err)
		}
	}
}

// A door that lets in nobody but proxies, with none to let in, is a mistake.
func TestTheProxyProtocolNeedsProxies(t *testing.T) {
	_, err := configs.Load(configs.Sources{File: write(t, "proxy_protocol: [sftp, ftps]")})
	if err == nil || !strings.Contains(err.Error(), "proxy_protocol: needs trusted_proxies") {
		t.Errorf("without trusted_proxies: %v", err)
	}
	l, err := configs.Load(configs.Sources{
		File: write(t, "proxy_protocol: [sftp, ftps]\ntrusted_proxies: [10.0.0.0/8]"), Environ: []string{"GATEHOUSE_PROXY_PROTOCOL=https"},
	})
	if err != nil || !reflect.DeepEqual(l.ProxyProtocol, []string{"https"}) {
		t.Errorf("%v, %v", l, err)
	}
}

// What is for a shared store alone does nothing with another, which nobody must
// take for a promise; and Redis needs to be told where it is.
func TestTheSharedStoreIsConfiguredAsOne(t *testing.T) {
	for text, keys := range map[string][]string{
		"state: {kind: redis}":                                                      {"state.url"},
		"state: {kind: redis, url: 'redis://a', prefix: ''}":                        {"state.prefix"},
		"state: {url: 'redis://a', wait_replicas: 1, wait_aof: true}":               {"state.wait_replicas", "state.wait_aof"},
		"state: {kind: memory, durability: require}":                                {"state.durability"},
		"state: {kind: redis, url: 'redis://a', away: maybe, durability: perhaps}":  {"state.away", "state.durability"},
		"state: {kind: redis, url: 'redis://a', wait_replicas: 17}":                 {"state.wait_replicas"},
		"state: {kind: redis, url: 'redis://a', wait_replicas: few, wait_aof: yep}": {"state.wait_replicas", "state.wait_aof"},
		"state: {kind: redis, url: 'redis://a', wait_timeout: 0s}":                  {"state.wait_timeout"},
		"node: {name: 'a/b', lease: 1s}":                                            {"node.name", "node.lease"},
		"node: {name: .., lease: 1h}":                                               {"node.name", "node.lease"},
	} {
		_, err := configs.Load(configs.Sources{File: write(t, text)})
		var problems configs.Problems
		if !errors.As(err, &problems) || len(problems) != len(keys) {
			t.Errorf("%s: %v, want problems of %q", text, err, keys)
			continue
		}
		for _, key := range keys {
			if !slices.ContainsFunc(problems, func(p configs.Problem) bool { return p.Key == key }) {
				t.Errorf("%s: no problem for %s in %v", text, key, err)
			}
		}
	}
}

// What is found by who stands above is told with all the rest.
func TestOthersFindProblemsToo(t *testing.T) {
	_, err := configs.Load(configs.Sources{
		File: write(t, "log: {level: loud}"),
		Also: func(*configs.Config) configs.Problems { return configs.Problems{{Key: "state.url", Why: "is strange"}} },
	})
	if err == nil || !strings.Contains(err.Error(), "state.url: is strange") || !strings.Contains(err.Error(), "log.level") {
		t.Errorf("got %v", err)
	}
}

func TestMountProblemsNameTheEntry(t *testing.T) {
	_, err := configs.Load(configs.Sources{File: write(t, `mounts: [{path: /a/../b, dir: ""}, {path: /x, dir: /x, fsync: often, file_mode: "4755"}]`)})
	for _, key := range []string{"mounts: none is at /", "mounts[0].path", "mounts[0].dir", "mounts[1].fsync", "mounts[1].file_mode"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("no problem for %s in:\n%v", key, err)
		}
	}
}

func TestBrokenFilesAreErrors(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML": "a: [", "twice the same key": "data: a\ndata: b\n", "a list": "- a\n",
	} {
		if _, err := configs.Load(configs.Sources{File: write(t, text)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := configs.Load(configs.Sources{File: "/does/not/exist.yaml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("data: x\nlisten: {sftp: ':1'}\nmounts: [{path: /, dir: a}]\n")
	f.Add("ftp: {public_address: [{from: 10.0.0.0/8, address: a}]}")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := configs.Load(configs.Sources{File: name}); err == nil && l.Data == "" {
			t.Error("an empty data folder passed")
		}
	})
}
