package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A madeWebhook is the answer to who makes one.
type madeWebhook struct{ ID, Secret string }

// hooked is a gateway whose webhooks may lead to a receiver on loopback.
func hooked(t *testing.T, r *receiver, allow ...string) *node {
	t.Helper()
	n := newNode(t, filepath.Join(t.TempDir(), "data"))
	n.extra = []string{"GATEHOUSE_WEBHOOKS_CA=" + r.ca}
	if len(allow) > 0 {
		n.extra = append(n.extra, "GATEHOUSE_WEBHOOKS_ALLOW="+strings.Join(allow, ","))
	}
	n.start()
	return n
}

// uploader puts files over SFTP.
type uploader struct {
	n    *node
	key  ssh.Signer
	home string
}

func newUploader(t *testing.T, n *node) *uploader {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	n.must("POST", "/accounts", map[string]any{"username": "anna", "keys": []string{string(ssh.MarshalAuthorizedKey(key.PublicKey()))}}, nil)
	return &uploader{n, key, "/home/anna/"}
}

func (u *uploader) put(names ...string) {
	u.n.t.Helper()
	c, err := overSFTP(u.n.addr["SFTP"], "anna", "", u.key, trustOnce())
	if err != nil {
		u.n.t.Fatal(err)
	}
	defer c.close()
	for _, name := range names {
		if err := c.do(step{verb: put, name: name, piece: whole(1, 100)}); err != nil {
			u.n.t.Fatalf("put %s: %v", name, err)
		}
	}
	// What was noted is on the disk before anything is killed: that is promised
	// within a second, and asked for here.
	u.n.wait("the last upload in the trail", func() bool {
		var page struct{ Items []struct{ Path string } }
		u.n.must("GET", "/events?kind=file.upload&limit=1", nil, &page)
		return len(page.Items) == 1 && page.Items[0].Path == u.home+names[len(names)-1]
	})
}

// wait waits for what the gateway brings about.
func (n *node) wait(what string, holds func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("no %s", what)
		}
	}
}

// An upload is told to another program, signed, whatever goes down in between:
// nothing is lost, and what comes twice comes under the same id.
func TestAnUploadArrivesAtAWebhookWhateverGoesDown(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	n := hooked(t, r, "127.0.0.1", "::1")
	var made madeWebhook
	n.must("POST", "/webhooks", map[string]any{"url": r.url("/in"), "filter": map[string]any{"kinds": []string{"file.upload"}}}, &made)
	u := newUploader(t, n)

	u.put("one", "two")
	r.waitFor("/home/anna/two")

	r.down()
	u.put("three")
	n.kill()
	n.start()
	u.put("four")
	r.up()
	r.waitFor("/home/anna/four")

	// Taken, and killed before it is written down that it was: it comes again.
	u.put("five")
	r.waitFor("/home/anna/five")
	n.kill()
	n.start()
	u.put("six")
	r.waitFor("/home/anna/six")

	// What the other side breaks at comes again under its id.
	var broken atomic.Int32
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	u.put("seven")
	n.wait("second try of what was refused", func() bool { return broken.Load() >= 2 })

	ids := map[string]string{}
	var order []string
	for _, h := range r.all() {
		if err := verify(made.Secret, h.header, h.body); err != nil {
			t.Errorf("the message of %s: %v", h.path, err)
		}
		if id, again := ids[h.path]; again && id != h.id {
			t.Errorf("%s came as %s and as %s", h.path, id, h.id)
		} else if !again {
			order = append(order, h.path)
		}
		ids[h.path] = h.id
	}
	if got, want := strings.Join(order, " "), "/home/anna/one /home/anna/two /home/anna/three /home/anna/four /home/anna/five /home/anna/six /home/anna/seven"; got != want {
		t.Errorf("it heard of %s", got)
	}
	forged := r.all()[0]
	if err := verify(made.Secret, forged.header, append(forged.body, ' ')); err == nil {
		t.Error("a message that was changed on its way is taken")
	}
	documented(t, made.Secret, r.all()[0])
	if text, err := os.ReadFile(n.logName); err != nil || strings.Contains(string(text), "whsec") || strings.Contains(string(text), strings.TrimPrefix(made.Secret, "whsec_")) {
		t.Errorf("the secret is in the log, or there is none: %v", err)
	}
	n.stop()
}

// Who sets a webhook must not reach through the gateway what only the gateway can.
func TestAWebhookLeadsNowhereButToTheReceiver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	n := hooked(t, r)
	for _, url := range []string{"http://localhost:" + r.port + "/", "https://127.0.0.1:" + r.port + "/", "https://[::1]/", "https://169.254.169.254/latest"} {
		var refused *statusError
		if err := n.api("POST", "/webhooks", map[string]string{"url": url}, nil); !errors.As(err, &refused) || refused.status != 422 || !strings.Contains(refused.text, `"body.url"`) {
			t.Errorf("%s: %v", url, err)
		}
	}
	// A name may lead to anything: it is asked where to when it is connected to.
	if got := n.tried(r.url("/in")); got.Taken || !strings.Contains(got.Outcome, "is no address for webhooks: add it to webhooks.allow") {
		t.Errorf("a name that leads to loopback: %+v", got)
	}
	if len(r.all()) != 0 {
		t.Error("the receiver was reached")
	}
	n.stop()

	n.extra = append(n.extra, "GATEHOUSE_WEBHOOKS_ALLOW=127.0.0.1,::1")
	n.start()
	r.answers(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if got := n.tried(r.url("/in")); got.Status != http.StatusTemporaryRedirect || len(r.all()) != 1 {
		t.Errorf("a redirect: %+v, %d requests", got, len(r.all()))
	}
	var sent atomic.Int64
	done := make(chan struct{})
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		for piece := make([]byte, 1<<16); sent.Load() < 100<<20; {
			m, err := w.Write(piece)
			if sent.Add(int64(m)); err != nil {
				return
			}
		}
	})
	if got := n.tried(r.url("/in")); !got.Taken {
		t.Errorf("an answer of 100 MB: %+v", got)
	}
	<-done
	if sent.Load() > 32<<20 {
		t.Errorf("%d bytes of the answer were taken", sent.Load())
	}
	release := make(chan struct{})
	r.answers(func(http.ResponseWriter, *http.Request) { <-release })
	began := time.Now()
	got := n.tried(r.url("/in"))
	close(release)
	if took := time.Since(began); got.Taken || got.Outcome != "no answer within 10 seconds" || took < 9*time.Second || took > 28*time.Second {
		t.Errorf("a receiver that hangs: %+v after %s", got, took)
	}
	n.stop()
}

type tried struct {
	Taken   bool
	Status  int
	Outcome string
}

// tried makes a webhook that hears of nothing, and sends it the message of a test.
func (n *node) tried(url string) tried {
	n.t.Helper()
	var made madeWebhook
	n.must("POST", "/webhooks", map[string]any{"url": url, "filter": map[string]any{"kinds": []string{"address.unban"}}}, &made)
	var got tried
	n.must("POST", "/webhooks/"+made.ID+"/test", nil, &got)
	return got
}

// The checkpoints of the trail are to be kept elsewhere: what a webhook was sent is
// what `event verify --against` takes, and it holds the trail to it.
func TestACheckpointSentByWebhookVerifiesTheTrail(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	n := hooked(t, r, "127.0.0.1", "::1")
	n.must("POST", "/webhooks", map[string]any{"url": r.url("/in"), "filter": map[string]any{"kinds": []string{"events.checkpoint"}}}, nil)
	n.stop() // signs
	n.start()
	h := r.wait("of a checkpoint", func(h heard) bool { return h.kind == "events.checkpoint" })
	kept := filepath.Join(t.TempDir(), "kept.json")
	if err := os.WriteFile(kept, h.body, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := n.command("event", "verify", "--against", kept)
	if err != nil || !strings.Contains(out, "the trail is whole") || strings.Contains(out, "against 0") {
		t.Errorf("%s, %v", out, err)
	}
	var event struct {
		Data struct{ After map[string]any }
	}
	if err := json.Unmarshal(h.body, &event); err != nil || !strings.HasPrefix(fmt.Sprint(event.Data.After["checkpoint"]), "gatehouse-checkpoint.") {
		t.Errorf("%s, %v", h.body, err)
	}
	n.stop()
}

// command runs the command line against the gateway.
func (n *node) command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gatehouse", args...)
	cmd.Env = n.environment()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// documented judges a message by the programs that stand in docs/webhooks.md.
func documented(t *testing.T, secret string, h heard) {
	t.Helper()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]string{}
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		programs[m[1]] = m[3]
	}
	own, err := os.ReadFile("receiver_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if programs["go"] == "" || !bytes.Contains(own, []byte(programs["go"])) {
		t.Error("docs/webhooks.md verifies in Go in another way than is tested here")
	}
	if met, err := condition("has:python3"); err != nil || !met {
		t.Logf("python3 is not installed: %v", err)
		if err != nil {
			t.Error(err)
		}
		return
	}
	const ask = `
import json, sys
given = json.load(sys.stdin)
headers = {k.lower(): v for k, v in given["headers"].items()}
verify(given["secret"], headers, given["body"].encode())
try:
    verify(given["secret"], headers, given["body"].encode() + b" ")
except ValueError:
    print("both are judged as they should be")
`
	given, err := json.Marshal(map[string]any{"secret": secret, "body": string(h.body), "headers": map[string]string{
		"Webhook-Id": h.id, "Webhook-Timestamp": h.header.Get("webhook-timestamp"), "Webhook-Signature": h.header.Get("webhook-signature"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", programs["python"]+ask)
	cmd.Stdin = bytes.NewReader(given)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "both are judged") {
		t.Errorf("the program in Python of docs/webhooks.md: %v\n%s", err, out)
	}
}
