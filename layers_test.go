package gatehouse_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is the order of ARCHITECTURE.md, top first: a package imports only
// packages of lower layers, or those that its own entry names.
var layers = [][]string{
	{"cmd"},
	{"admin/admintest"},
	{"protocols/sftp", "protocols/ftp", "protocols/webdav", "admin", "protocols/protocoltest"},
	{"admin/self", "admin/migrate"},
	{"admin/credential", "admin/document", "admin/group", "admin/invitation"},
	{"admin/trail", "admin/usage", "admin/webhook"},
	{"admin/rights"},
	{"admin/record"},
	{"admin/rest", "admin/pages"},
	{"auth/provision", "auth/selfservice", "auth/explain"},
	{"auth/session"},
	{"auth/authtest"},
	{"auth", "policy/guard", "admin/webhooks"},
	{"storage/accounts", "storage/quota", "storage/locks", "storage/staging", "storage/events", "storage/backup", "storage/traffic", "admin/webhooks/sender"},
	{"storage/accounts/index", "storage/accounts/activity", "storage/accounts/links"},
	{"storage/accounts/record"},
	{"storage/accounts/credentials", "storage/accounts/codes", "storage/accounts/names", "storage/accounts/listing"},
	{"storage/accounts/field", "admin/webhooks/message"},
	{"storage/mount"},
	{"storage/backend/local", "storage/backend/backendtest", "storage/state/memory", "storage/state/bolt", "storage/state/redis", "storage/state/statetest"},
	{"storage/backend", "storage/seal", "storage/nodes", "storage/installation", "storage/state/journal"},
	{"storage/state", "configs"},
	{"policy"},
	{"policy/path", "storage/keyed", "storage/pause", "protocols/places", "protocols/sftp/algorithms", "protocols/sendfile", "protocols/stamp"},
}

// Only those who wire, and the sites that tests are made on, may know an implementation
// of state or backend.
var sites = []string{"protocols/protocoltest", "auth/authtest"}

var implementations = []string{"storage/backend/local", "storage/state/memory", "storage/state/bolt", "storage/state/redis"}

// frontEnds speak a protocol over a session and know nothing below it.
var (
	frontEnds = []string{"protocols/sftp", "protocols/ftp", "protocols/webdav"}
	below     = []string{"policy/guard", "storage/"}
)

func TestLayers(t *testing.T) {
	for name, imports := range packages(t) {
		from := layerOf(name)
		if from < 0 {
			t.Errorf("%s stands in no layer: add it to ARCHITECTURE.md and to layers", name)
			continue
		}
		for _, imported := range imports {
			if to := layerOf(imported); to <= from && !siblings(name, imported) {
				t.Errorf("%s imports %s, which is not below it", name, imported)
			}
			if slices.Contains(implementations, imported) && from > 0 && !slices.Contains(sites, name) {
				t.Errorf("%s imports the implementation %s", name, imported)
			}
			if slices.ContainsFunc(frontEnds, func(f string) bool { return inside(f, name) }) {
				for _, no := range below {
					if strings.HasPrefix(imported, no) {
						t.Errorf("the front end %s imports %s", name, imported)
					}
				}
			}
		}
	}
}

// layerOf finds the layer of a package, or of the package whose part it is.
func layerOf(name string) int {
	layer, _ := entryOf(name)
	return layer
}

// entryOf finds the entry of layers that name is, or is a part of.
func entryOf(name string) (layer int, entry string) {
	layer = -1
	for i, entries := range layers {
		for _, p := range entries {
			if inside(p, name) && len(p) > len(entry) {
				layer, entry = i, p
			}
		}
	}
	return layer, entry
}

// siblings reports whether both are parts of one entry, such as cmd.
func siblings(a, b string) bool {
	_, first := entryOf(a)
	_, second := entryOf(b)
	return first == second
}

// inside reports whether inner is outer or below it.
func inside(outer, inner string) bool {
	return inner == outer || strings.HasPrefix(inner, outer+"/")
}

// packages lists the module's packages with the imports of ours that are not
// tests' own.
func packages(t *testing.T) map[string][]string {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath       string
			Imports, GoFiles []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, "gatehouse/")
		if !ours || len(p.GoFiles) == 0 {
			continue
		}
		found[name] = nil
		for _, i := range p.Imports {
			if i, ours := strings.CutPrefix(i, "gatehouse/"); ours {
				found[name] = append(found[name], i)
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("no package was found")
	}
	return found
}
