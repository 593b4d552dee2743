package admin_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestOpenAPI(t *testing.T) {
	s := admintest.New(t)
	w := s.Root().Do("GET", "/openapi.json", "")
	var doc bytes.Buffer
	if err := json.Indent(&doc, w.Body.Bytes(), "", "  "); err != nil || !strings.Contains(doc.String(), `"openapi": "3.1`) {
		t.Fatalf("no OpenAPI 3.1: %v", err)
	}
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(golden, append(doc.Bytes(), '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != doc.String() {
		t.Error("the API differs from testdata/openapi.json: run with -update and look at the difference")
	}
}

func TestThePageListsTheAPI(t *testing.T) {
	s := admintest.New(t)
	w := (&admintest.Client{Site: s, TLS: true}).Do("GET", "/", "")
	for _, want := range []string{"/api/v1/accounts/{name}/grants", "openapi.json", "socket"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q: %d %s", want, w.Code, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "<script") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the page could run a script")
	}
}
