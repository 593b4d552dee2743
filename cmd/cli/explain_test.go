package cli

import (
	"strings"
	"testing"
)

// Doors that may come over TLS are asked about as people use them, and the
// answer says so.
func TestExplainSaysWhatTransportItAssumed(t *testing.T) {
	for args, want := range map[string]struct{ judged, says string }{
		"--door webdav":                      {"tls", "tls (assumed; --tls=false asks about clear text)"},
		"--door ftp":                         {"tls", "tls (assumed"},
		"--door api --tls":                   {"tls", "tls\n"},
		"--door webdav --tls=false":          {"clear", "clear (--tls asks how it is over TLS)"},
		"--door web --transport clear":       {"clear", "clear (--tls"},
		"--door api --transport tls-proxied": {"tls-proxied", "tls-proxied\n"},
		"--door sftp":                        {"ssh", "RULE"},
	} {
		answer := `{"decision":"deny","rule":"transport","because":"so","transport":"` + want.judged + `","chain":[]}`
		address, sent := fake(t, map[string]string{"POST /explain": answer})
		_, out, errs := run(t, nil, append(strings.Fields("explain ann --server "+address), strings.Fields(args)...)...)
		asked := strings.Contains(sent["POST /explain"], `"transport":"`+want.judged+`"`)
		if asked == (want.judged == "ssh") || !strings.Contains(out, want.says) || want.judged == "ssh" && strings.Contains(out, "transport:") {
			t.Errorf("%s sends %s and says %s%s", args, sent["POST /explain"], out, errs)
		}
	}
}

func TestExplainARename(t *testing.T) {
	const answer = `{"decision":"allow","rule":"grant","because":"so","chain":[],"seen_path":"/project/a","tree_path":"/home/ann/project/a",
		"to":{"seen_path":"/b","tree_path":"/home/bob/b"},"obstacle":"it is there already"}`
	address, sent := fake(t, map[string]string{"POST /explain": answer})
	_, out, errs := run(t, nil, strings.Fields("explain bob --door sftp --op rename --path /project/a --to /b --server "+address)...)
	for _, want := range []string{"/project/a (in the tree: /home/ann/project/a)", "/b (in the tree: /home/bob/b)", "obstacle:", "it is there already"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %q: %s%s", want, out, errs)
		}
	}
	if got := sent["POST /explain"]; !strings.Contains(got, `"to":"/b"`) || !strings.Contains(got, `"operation":"rename"`) {
		t.Errorf("it sends %s", got)
	}
	if _, out, _ := run(t, nil, strings.Fields("explain bob --door sftp --json --op copy --path /project/a --to /b --server "+address)...); !strings.Contains(out, `"tree_path": "/home/ann/project/a"`) || !strings.Contains(out, `"seen_path": "/b"`) {
		t.Errorf("the JSON is %s", out)
	}
}

// A refusal of the past is told together with what would become of it now.
func TestExplainAReferenceSaysHowItIsNow(t *testing.T) {
	const answer = `{"decision":"deny","rule":"lockout","because":"locked","chain":[],"now":{"decision":"allow","rule":"admitted","because":"every rule lets it in"}}`
	address, _ := fake(t, map[string]string{"POST /explain": answer})
	if _, out, errs := run(t, nil, "explain", "--ref", "abc", "--server", address); !strings.Contains(out, "now:") || !strings.Contains(out, "ALLOW: every rule lets it in (rule admitted)") {
		t.Errorf("it says %s%s", out, errs)
	}
}

// Of an upload it is said what was supposed of its size, and what would go through.
func TestExplainAnUpload(t *testing.T) {
	for answer, want := range map[string][]string{
		`"upload":{"size_bytes":null,"most_bytes":null}`:                          {"ALLOW: so", "of one byte (--size asks about more); the largest that would go through now: unlimited\n"},
		`"upload":{"size_bytes":5368709120,"most_bytes":1024}`:                    {"of 5.0 GiB; the largest that would go through now: 1.0 KiB (the disk)\n"},
		`"upload":{"size_bytes":1,"most_bytes":0,"rule":"quota"},"obstacle":"no"`: {"ALLOW, but stopped by the obstacle below: so", "now: 0 B (quota)\n"},
	} {
		address, sent := fake(t, map[string]string{"POST /explain": `{"decision":"allow","rule":"home","because":"so","chain":[],` + answer + `}`})
		_, out, errs := run(t, nil, strings.Fields("explain ann --door sftp --op write --path /f --size 5GiB --server "+address)...)
		if !strings.Contains(sent["POST /explain"], `"size":5368709120`) {
			t.Errorf("it sends %s", sent["POST /explain"])
		}
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%s: it lacks %q: %s%s", answer, text, out, errs)
			}
		}
	}
	for _, args := range []string{"--op read --path /f --size 1", "--op write --path /f --size much", "--size 1"} {
		if code, _, errs := run(t, nil, strings.Fields("explain ann --door sftp "+args)...); code == 0 || !strings.Contains(errs, "--size") {
			t.Errorf("%s: %d %s", args, code, errs)
		}
	}
}
