package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state/redis/redistest"
)

// A reading is somebody who came to a node before Redis went, over SFTP and WebDAV.
type reading struct {
	f     *fleet
	node  *node
	files *sftpClient
	dav   *davClient
	lists int      // how often the folder was listed over SFTP
	read  []string // the tree paths of what was read, each once
}

func (f *fleet) reads(n *node, account string) *reading {
	f.t.Helper()
	c, err := overSFTP(n.addr["SFTP"], account, "/", f.key, f.host)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.close)
	d, err := overDAV(n.addr["HTTP"], account, "/", accountPassword)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(d.close)
	return &reading{f: f, node: n, files: c.(*sftpClient), dav: d}
}

// lay puts a file into the account's home that nobody has read yet.
func (r *reading) lay(name string) string {
	r.f.t.Helper()
	if err := os.WriteFile(r.node.files("home/anna/"+name), []byte(name), 0o640); err != nil {
		r.f.t.Fatal(err)
	}
	r.read = append(r.read, "/home/anna/"+name)
	return name
}

// again reads new files, lists the folder, and asks for its properties.
func (r *reading) again(round int) error {
	over := func(door string) string {
		return r.lay(fmt.Sprintf("%s-%s-%d", filepath.Base(r.node.data), door, round))
	}
	name := over("sftp")
	file, err := r.files.files.Open("/" + name)
	if err != nil {
		return fmt.Errorf("a new download over SFTP: %w", err)
	}
	content, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil || string(content) != name {
		return fmt.Errorf("a new download over SFTP: %q, %w", content, err)
	}
	if _, err := r.files.files.ReadDir("/"); err != nil {
		return fmt.Errorf("a listing: %w", err)
	}
	r.lists++
	if err := r.dav.ask(http.MethodGet, over("dav"), nil, nil); err != nil {
		return fmt.Errorf("a new download over WebDAV: %w", err)
	}
	err = r.dav.ask("PROPFIND", "", nil, map[string]string{"Depth": "1"})
	if e, ok := errors.AsType[*statusError](err); !ok || e.status != http.StatusMultiStatus {
		return fmt.Errorf("PROPFIND: %w", err)
	}
	return nil
}

// keeps asks that a node has on its disk that somebody has read a file.
func (n *node) keeps(path string) error {
	files, err := filepath.Glob(filepath.Join(n.data, "spool-*", "*", "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && bytes.Contains(text, []byte(`"path":"`+path+`"`)) {
			return nil
		}
	}
	return fmt.Errorf("%s is not kept in %q: %w", path, files, err)
}

// shows asks that a node tells whoever watches it how much it keeps.
func (n *node) shows(keeps bool) error {
	answer, err := http.Get("http://" + n.addr["metrics"] + "/metrics")
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	_, figure, found := strings.Cut(string(text), "\ngatehouse_events_spooled_bytes ")
	if !found || strings.HasPrefix(figure, "0\n") == keeps {
		return fmt.Errorf("it shows %.20q", figure)
	}
	return nil
}

// told counts events of a kind by their paths, of a door.
func (f *fleet) told(at *node, kind, door string) (map[string]int, error) {
	var page struct {
		Items []struct{ Path string }
	}
	err := at.api(http.MethodGet, "/events?limit=1000&kind="+kind+"&door="+door, nil, &page)
	counts := make(map[string]int)
	for _, e := range page.Items {
		counts[e.Path]++
	}
	return counts, err
}

// Redis is gone, or takes connections and says nothing, and the site insists on its
// trail: who is in goes on reading, also what was not begun, and one of the nodes is
// killed amid it. When Redis is back all that was read is in the trail, once.
func TestReadingGoesOnWithoutRedis(t *testing.T) {
	for name, how := range map[string]struct {
		leave, back func(*redistest.Server, testing.TB)
	}{
		"gone":  {(*redistest.Server).Kill, (*redistest.Server).Start},
		"hangs": {(*redistest.Server).Pause, (*redistest.Server).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := persistent(t)
			readsWithout(t, server, func() { how.leave(server, t) }, func() { how.back(server, t) })
		})
	}
}

func readsWithout(t *testing.T, server *redistest.Server, leave, comeBack func()) {
	const away = 6 * time.Second
	f := newFleet(t, server.URL(), server.URL())
	f.admit(f.nodes[0], "anna", 100*uploadSize)
	readers := []*reading{f.reads(f.nodes[0], "anna"), f.reads(f.nodes[1], "anna")}
	for _, r := range readers {
		if err := r.again(0); err != nil {
			t.Fatal(err)
		}
	}
	begun, err := readers[1].files.files.Open("/" + readers[1].lay("begun"))
	if err != nil {
		t.Fatal(err)
	}
	leave()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for round := 1; time.Since(began) < away; round++ {
		<-tick.C
		for _, r := range readers {
			if err := r.again(round); err != nil {
				t.Fatalf("%v after Redis has gone: %v", time.Since(began), err)
			}
		}
	}
	if content, err := io.ReadAll(begun); err != nil || string(content) != "begun" {
		t.Errorf("what was begun before: %q, %v", content, err)
	}
	if err := begun.Close(); err != nil {
		t.Error(err)
	}
	if c, err := f.visit("anna", "SFTP", "/"); err == nil {
		c.close()
		t.Error("somebody came in while Redis is gone")
	}
	for _, r := range readers {
		last := r.read[len(r.read)-1]
		f.within(patience, "what was read is kept", func() error { return errors.Join(r.node.keeps(last), r.node.shows(true)) })
	}
	f.kill(0)
	comeBack()
	f.start(0)
	for _, n := range f.nodes {
		f.says(n, http.StatusOK)
	}
	f.within(patience, "the trail has everything", func() error { return f.tells(readers) })
	var chain struct {
		Whole  bool
		Faults any
	}
	f.nodes[0].must(http.MethodPost, "/events/verify", map[string]any{}, &chain)
	if !chain.Whole {
		t.Errorf("the trail is not whole: %+v", chain.Faults)
	}
	f.within(patience, "nothing is kept that is in the trail", func() error {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(f.nodes[0].data), "*", "spool-*"))
		if len(files) > 0 {
			return fmt.Errorf("%q", files)
		}
		return errors.Join(err, f.nodes[1].shows(false))
	})
}

// tells asks that the trail has each reading once.
func (f *fleet) tells(readers []*reading) error {
	downloads := make(map[string]int)
	for _, door := range []string{"sftp", "webdav"} {
		counts, err := f.told(f.nodes[0], "file.download", door)
		if err != nil {
			return err
		}
		for path, n := range counts {
			downloads[path] += n
		}
	}
	lists := 0
	for _, r := range readers {
		for _, path := range r.read {
			if downloads[path] != 1 {
				return fmt.Errorf("the download of %s is told %d times", path, downloads[path])
			}
		}
		lists += r.lists
	}
	counts, err := f.told(f.nodes[0], "file.list", "sftp")
	if n := counts["/home/anna"]; err == nil && n != lists {
		return fmt.Errorf("%d of %d listings are told", n, lists)
	}
	return err
}
