package webdav

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const apacheConfig = `ServerRoot %[1]s
ServerName 127.0.0.1
PidFile %[1]s/pid
Mutex file:%[1]s
%[2]s
Listen %[3]s
LoadModule mpm_event_module %[4]s/mod_mpm_event.so
LoadModule authz_core_module %[4]s/mod_authz_core.so
LoadModule dav_module %[4]s/mod_dav.so
LoadModule dav_fs_module %[4]s/mod_dav_fs.so
ErrorLog %[1]s/error
DavLockDB %[1]s/www/locks
DocumentRoot %[1]s/www/root
<Directory %[1]s/www/root>
Dav On
Require all granted
</Directory>
`

const apacheModules = "/usr/lib/apache2/modules"

// startApache serves a folder with mod_dav and returns its address.
func startApache(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "/usr/sbin/apache2"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("SKIPPED: apache2 is not installed, mod_dav was not compared with (Debian: apt-get install apache2-bin)")
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "www/root/dav"), 0o755); err != nil {
		t.Fatal(err)
	}
	as := ""
	if os.Getuid() == 0 {
		as = giveAway(t, root)
	}
	for range 3 { // somebody may have taken the port that was free
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(apacheConfig, root, as, address, apacheModules)
		if err := os.WriteFile(filepath.Join(root, "conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if runApache(t, program, root, address) {
			return address
		}
	}
	text, _ := os.ReadFile(filepath.Join(root, "error"))
	t.Fatalf("apache does not start: %s", text)
	return ""
}

// giveAway lets Apache, which does not work as root, write.
func giveAway(t *testing.T, root string) string {
	t.Helper()
	www, err := user.Lookup("www-data")
	if err != nil {
		t.Skip("SKIPPED: there is no user www-data for apache2 to run as")
	}
	uid, _ := strconv.Atoi(www.Uid)
	gid, _ := strconv.Atoi(www.Gid)
	for _, name := range []string{"www", "www/root", "www/root/dav"} {
		if err := os.Chown(filepath.Join(root, name), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	for dir := root; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return "User www-data\nGroup www-data"
}

// runApache reports whether Apache came to listen, and not who has taken its port
// meanwhile; the test's end stops it.
func runApache(t *testing.T, program, root, address string) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	run := exec.CommandContext(ctx, program, "-f", filepath.Join(root, "conf"), "-D", "FOREGROUND")
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = 10 * time.Second
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process
		_ = run.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			pid, _ := os.ReadFile(filepath.Join(root, "pid")) // written once it listens
			if c.Close(); strings.TrimSpace(string(pid)) == strconv.Itoa(run.Process.Pid) {
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// An ask is one request of a comparison. "@" in a target, a header or a body is
// the folder of the case, "{token}" the last lock's token.
type ask struct {
	method, target, body string
	headers              []string
}

func get(target string, headers ...string) ask { return ask{"GET", target, "", headers} }

func put(target, body string, headers ...string) ask { return ask{"PUT", target, body, headers} }

func lockOf(target string, headers ...string) ask { return ask{"LOCK", target, lockBody, headers} }

func over(method, from, to string, headers ...string) ask {
	return ask{method, from, "", append(headers, "Destination: http://{host}@"+to)}
}

func bare(method, target string, headers ...string) ask { return ask{method, target, "", headers} }

// compared are the requests of which both servers must give the last one the same
// status, where nothing is said in ours. What stands before it prepares.
var compared = map[string]struct {
	asks []ask
	ours int    // where it is another than Apache's
	why  string // and why
}{
	"get what is not there":       {asks: []ask{get("/x")}},
	"get":                         {asks: []ask{put("/a", "0123456789"), get("/a")}},
	"get below a file":            {asks: []ask{put("/a", "1"), get("/a/b")}},
	"get, not modified":           {asks: []ask{put("/a", "1"), get("/a", "If-None-Match: *")}},
	"get, another tag":            {asks: []ask{put("/a", "1"), get("/a", `If-Match: "x"`)}},
	"get a range":                 {asks: []ask{put("/a", "0123456789"), get("/a", "Range: bytes=2-3")}},
	"get a suffix":                {asks: []ask{put("/a", "0123456789"), get("/a", "Range: bytes=-3")}},
	"get several ranges":          {asks: []ask{put("/a", "0123456789"), get("/a", "Range: bytes=0-1,5-6")}},
	"get beyond":                  {asks: []ask{put("/a", "0123456789"), get("/a", "Range: bytes=20-")}},
	"get a range that is none":    {asks: []ask{put("/a", "0123456789"), get("/a", "Range: bytes=x")}, ours: 416, why: "net/http; Apache sends all"},
	"get a range if another":      {asks: []ask{put("/a", "0123456789"), get("/a", "Range: bytes=2-3", `If-Range: "x"`)}},
	"put new":                     {asks: []ask{put("/a", "1")}},
	"put over":                    {asks: []ask{put("/a", "1"), put("/a", "2")}},
	"put nothing":                 {asks: []ask{put("/a", "")}},
	"put where no folder is":      {asks: []ask{put("/x/a", "1")}},
	"put on a folder":             {asks: []ask{bare("MKCOL", "/d"), put("/d", "1")}, ours: 405, why: "the method does not fit what is there; Apache says 409"},
	"put to the URL of a folder":  {asks: []ask{bare("MKCOL", "/d"), put("/d/", "1")}, ours: 405, why: "as above"},
	"put a part":                  {asks: []ask{put("/a", "12345"), put("/a", "x", "Content-Range: bytes 0-0/5")}, ours: 400, why: "RFC 9110 14.5: an upload of a part would be taken for a whole file; Apache writes into the file"},
	"put a part that is none":     {asks: []ask{put("/a", "x", "Content-Range: x")}},
	"put if it is new":            {asks: []ask{put("/a", "1", "If-None-Match: *")}},
	"put if it is new, and is":    {asks: []ask{put("/a", "1"), put("/a", "2", "If-None-Match: *")}},
	"put if it is there":          {asks: []ask{put("/a", "1"), put("/a", "2", "If-Match: *")}},
	"put if it is there, not":     {asks: []ask{put("/a", "2", "If-Match: *")}},
	"put if another":              {asks: []ask{put("/a", "1"), put("/a", "2", `If-Match: "x"`)}},
	"put by If, another tag":      {asks: []ask{put("/a", "1"), put("/a", "2", `If: (["x"])`)}},
	"put by If, not another tag":  {asks: []ask{put("/a", "1"), put("/a", "2", `If: (Not ["x"])`)}},
	"put by If, no lock":          {asks: []ask{put("/a", "1"), put("/a", "2", `If: (<DAV:no-lock>)`)}},
	"put by If, not no lock":      {asks: []ask{put("/a", "1"), put("/a", "2", `If: (Not <DAV:no-lock>)`)}},
	"put by an If that is none":   {asks: []ask{put("/a", "1"), put("/a", "2", `If: hello`)}},
	"put by an empty list":        {asks: []ask{put("/a", "1"), put("/a", "2", `If: ()`)}, ours: 400, why: "RFC 4918 10.4.2: a list has a condition; Apache takes none for one that holds"},
	"put by one of two lists":     {asks: []ask{put("/a", "1"), put("/a", "2", `If: (["x"]) (Not <DAV:no-lock>)`)}},
	"mkcol":                       {asks: []ask{bare("MKCOL", "/d")}},
	"mkcol with a slash":          {asks: []ask{bare("MKCOL", "/d/")}},
	"mkcol again":                 {asks: []ask{bare("MKCOL", "/d"), bare("MKCOL", "/d")}},
	"mkcol on a file":             {asks: []ask{put("/a", "1"), bare("MKCOL", "/a")}},
	"mkcol where no folder is":    {asks: []ask{bare("MKCOL", "/x/d")}},
	"mkcol with a body":           {asks: []ask{{"MKCOL", "/d", "<a/>", nil}}},
	"delete":                      {asks: []ask{put("/a", "1"), bare("DELETE", "/a")}},
	"delete what is not there":    {asks: []ask{bare("DELETE", "/a")}},
	"delete a folder":             {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), bare("DELETE", "/d/")}},
	"delete a folder at depth 0":  {asks: []ask{bare("MKCOL", "/d"), bare("DELETE", "/d/", "Depth: 0")}},
	"delete if another":           {asks: []ask{put("/a", "1"), bare("DELETE", "/a", `If-Match: "x"`)}},
	"copy":                        {asks: []ask{put("/a", "1"), over("COPY", "/a", "/b")}},
	"copy over":                   {asks: []ask{put("/a", "1"), put("/b", "2"), over("COPY", "/a", "/b")}},
	"copy, not over":              {asks: []ask{put("/a", "1"), put("/b", "2"), over("COPY", "/a", "/b", "Overwrite: F")}},
	"copy, wrong overwrite":       {asks: []ask{put("/a", "1"), over("COPY", "/a", "/b", "Overwrite: X")}},
	"copy without a destination":  {asks: []ask{put("/a", "1"), bare("COPY", "/a")}},
	"copy to another server":      {asks: []ask{put("/a", "1"), bare("COPY", "/a", "Destination: http://elsewhere.example/b")}, ours: 502, why: "RFC 4918 9.8.5; Apache makes it here where it has one virtual host"},
	"copy to where no folder is":  {asks: []ask{put("/a", "1"), over("COPY", "/a", "/x/b")}},
	"copy what is not there":      {asks: []ask{over("COPY", "/a", "/b")}},
	"copy onto itself":            {asks: []ask{put("/a", "1"), over("COPY", "/a", "/a")}},
	"copy a folder":               {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), over("COPY", "/d/", "/e/")}},
	"copy a folder into itself":   {asks: []ask{bare("MKCOL", "/d"), over("COPY", "/d/", "/d/e/")}},
	"copy a folder at depth 1":    {asks: []ask{bare("MKCOL", "/d"), over("COPY", "/d/", "/e/", "Depth: 1")}},
	"copy a folder at depth 0":    {asks: []ask{bare("MKCOL", "/d"), over("COPY", "/d/", "/e/", "Depth: 0")}},
	"copy a file over a folder":   {asks: []ask{put("/a", "1"), bare("MKCOL", "/d"), over("COPY", "/a", "/d", "Overwrite: T")}},
	"move":                        {asks: []ask{put("/a", "1"), over("MOVE", "/a", "/b")}},
	"move over":                   {asks: []ask{put("/a", "1"), put("/b", "2"), over("MOVE", "/a", "/b")}},
	"move, not over":              {asks: []ask{put("/a", "1"), put("/b", "2"), over("MOVE", "/a", "/b", "Overwrite: F")}},
	"move a folder over another":  {asks: []ask{bare("MKCOL", "/d"), bare("MKCOL", "/e"), over("MOVE", "/d/", "/e/", "Overwrite: T")}},
	"move a folder at depth 0":    {asks: []ask{bare("MKCOL", "/d"), over("MOVE", "/d/", "/e/", "Depth: 0")}},
	"move onto its folder":        {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), over("MOVE", "/d/a", "/d")}, ours: 403, why: "the folder would go, and the file with it: nothing is touched"},
	"propfind at depth 0":         {asks: []ask{bare("PROPFIND", "/", "Depth: 0")}},
	"propfind at depth 1":         {asks: []ask{bare("PROPFIND", "/", "Depth: 1")}},
	"propfind at depth infinity":  {asks: []ask{bare("PROPFIND", "/", "Depth: infinity")}},
	"propfind without a depth":    {asks: []ask{bare("PROPFIND", "/")}},
	"propfind at depth 2":         {asks: []ask{bare("PROPFIND", "/", "Depth: 2")}},
	"propfind what is not there":  {asks: []ask{bare("PROPFIND", "/x", "Depth: 0")}},
	"propfind no XML":             {asks: []ask{{"PROPFIND", "/", "<a", []string{"Depth: 0"}}}},
	"propfind another document":   {asks: []ask{{"PROPFIND", "/", "<a/>", []string{"Depth: 0"}}}},
	"proppatch":                   {asks: []ask{put("/a", "1"), {"PROPPATCH", "/a", patchBody("<x xmlns='u'>1</x>"), nil}}},
	"proppatch a live one":        {asks: []ask{put("/a", "1"), {"PROPPATCH", "/a", patchBody("<D:getetag>1</D:getetag>"), nil}}},
	"proppatch what is not there": {asks: []ask{{"PROPPATCH", "/a", patchBody("<x xmlns='u'>1</x>"), nil}}},
	"proppatch no XML":            {asks: []ask{put("/a", "1"), {"PROPPATCH", "/a", "<a", nil}}},
	"lock":                        {asks: []ask{put("/a", "1"), lockOf("/a")}},
	"lock what is not there":      {asks: []ask{lockOf("/a")}, ours: 201, why: "RFC 4918 9.10.4: an empty resource is made; Apache says 200 and keeps a lock on nothing (RFC 2518)"},
	"lock where no folder is":     {asks: []ask{lockOf("/x/a")}},
	"lock again":                  {asks: []ask{put("/a", "1"), lockOf("/a"), lockOf("/a")}},
	"lock shared, twice":          {asks: []ask{put("/a", "1"), {"LOCK", "/a", sharedBody, nil}, {"LOCK", "/a", sharedBody, nil}}},
	"lock at depth 1":             {asks: []ask{bare("MKCOL", "/d"), lockOf("/d/", "Depth: 1")}},
	"lock a folder":               {asks: []ask{bare("MKCOL", "/d"), lockOf("/d/")}},
	"lock over a locked member":   {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), lockOf("/d/a"), lockOf("/d/")}},
	"lock no XML":                 {asks: []ask{put("/a", "1"), {"LOCK", "/a", "<a", nil}}},
	"refresh":                     {asks: []ask{put("/a", "1"), lockOf("/a"), bare("LOCK", "/a", "If: (<{token}>)")}},
	"refresh without a token":     {asks: []ask{put("/a", "1"), lockOf("/a"), bare("LOCK", "/a")}, ours: 400, why: "RFC 4918 9.10.2: it takes an If header; Apache takes it for a new lock"},
	"refresh another":             {asks: []ask{put("/a", "1"), bare("LOCK", "/a", "If: (<urn:uuid:1>)")}},
	"unlock":                      {asks: []ask{put("/a", "1"), lockOf("/a"), bare("UNLOCK", "/a", "Lock-Token: <{token}>")}},
	"unlock without a token":      {asks: []ask{put("/a", "1"), bare("UNLOCK", "/a")}},
	"put the locked":              {asks: []ask{put("/a", "1"), lockOf("/a"), put("/a", "2")}},
	"put the locked, by token":    {asks: []ask{put("/a", "1"), lockOf("/a"), put("/a", "2", "If: (<{token}>)")}},
	"put a new one in the locked": {asks: []ask{bare("MKCOL", "/d"), lockOf("/d/", "Depth: 0"), put("/d/a", "1")}, ours: 423, why: "one answer for one resource; Apache says 207"},
	"put one in the locked":       {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), lockOf("/d/", "Depth: 0"), put("/d/a", "1")}},
	"proppatch the locked":        {asks: []ask{put("/a", "1"), lockOf("/a"), {"PROPPATCH", "/a", patchBody("<x xmlns='u'>1</x>"), nil}}},
	"delete the locked":           {asks: []ask{put("/a", "1"), lockOf("/a"), bare("DELETE", "/a")}},
	"delete around the locked":    {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), lockOf("/d/a"), bare("DELETE", "/d/")}, ours: 207, why: "RFC 4918 9.6.1: the member is named; Apache says 424"},
	"move the locked":             {asks: []ask{put("/a", "1"), lockOf("/a"), over("MOVE", "/a", "/b")}},
	"move the locked, by token":   {asks: []ask{put("/a", "1"), lockOf("/a"), over("MOVE", "/a", "/b", "If: (<{token}>)")}, ours: 201, why: "the lock of the source is all that is asked for: how Windows and Office save; Apache wants the list to hold for the target too"},
	"move the locked over":        {asks: []ask{put("/a", "1"), put("/b", "2"), lockOf("/a"), over("MOVE", "/a", "/b", "If: (<{token}>)")}, ours: 204, why: "as above"},
	"move over the locked":        {asks: []ask{put("/a", "1"), put("/b", "2"), lockOf("/b"), over("MOVE", "/a", "/b")}},
	"move over it, tagged":        {asks: []ask{put("/a", "1"), put("/b", "2"), lockOf("/b"), over("MOVE", "/a", "/b", "If: <http://{host}@/b> (<{token}>)")}},
	"move around the locked":      {asks: []ask{bare("MKCOL", "/d"), put("/d/a", "1"), lockOf("/d/a"), over("MOVE", "/d/", "/e/")}, ours: 423, why: "RFC 4918 9.9.4 has 423 for it, with the member's name in the body; Apache says 207"},
	"copy the locked":             {asks: []ask{put("/a", "1"), lockOf("/a"), over("COPY", "/a", "/b")}},
	"copy over the locked":        {asks: []ask{put("/a", "1"), put("/b", "2"), lockOf("/b"), over("COPY", "/a", "/b")}},
	"an unknown method":           {asks: []ask{bare("FROBNICATE", "/a")}, ours: 405, why: "with what is allowed beside it; Apache says 501"},
}

// Apache's mod_dav is what clients are tried with: where a status of ours is
// another, the table says why.
func TestLikeApache(t *testing.T) {
	apache := startApache(t)
	s := newSite(t)
	c := s.client(t, "alice")
	ours := strings.TrimPrefix(s.server.URL, "http://")
	n := 0
	for name, pair := range compared {
		n++
		folder := "/dav/case" + strconv.Itoa(n)
		t.Run(name, func(t *testing.T) {
			theirs := plays(t, c, apache, folder, pair.asks)
			mine := plays(t, c, ours, folder, pair.asks)
			last := pair.asks[len(pair.asks)-1]
			switch {
			case pair.ours == 0 && mine != theirs:
				t.Errorf("%s %s %v: got %d, Apache says %d", last.method, last.target, last.headers, mine, theirs)
			case pair.ours != 0 && mine != pair.ours:
				t.Errorf("%s %s %v: got %d, want %d (Apache says %d)", last.method, last.target, last.headers, mine, pair.ours, theirs)
			case pair.ours != 0 && mine == theirs:
				t.Errorf("%s %s %v: Apache says %d too: it is no difference any more", last.method, last.target, last.headers, mine)
			}
		})
	}
}

// plays sends the requests to one of the two servers, and returns the last status.
func plays(t *testing.T, c *client, host, folder string, asks []ask) (status int) {
	t.Helper()
	token := ""
	asks = append([]ask{bare("MKCOL", "/")}, asks...)
	for i, a := range asks {
		fill := strings.NewReplacer("@", folder, "{host}", host, "{token}", token)
		var body io.Reader = http.NoBody
		if a.body != "" {
			body = strings.NewReader(a.body)
		}
		r, err := http.NewRequestWithContext(t.Context(), a.method, "http://"+host+folder+a.target, body)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(c.Name, c.Password)
		for _, h := range a.headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, fill.Replace(value))
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body) // of interest is the status
		_ = answer.Body.Close()
		if v := answer.Header.Get("Lock-Token"); v != "" {
			token = strings.Trim(v, "<>")
		}
		if status = answer.StatusCode; status >= 300 && i < len(asks)-1 {
			t.Fatalf("%s: %s %s prepares, and got %d", host, a.method, a.target, status)
		}
	}
	return status
}
