package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"gatehouse/storage/backend"
)

func hasProperties(c backend.Capabilities) bool { return c.Properties }

var propertyCases = []testCase{
	{name: "properties/none at first", run: noProperties},
	{name: "properties/set, replaced, removed", run: setProperties, needs: hasProperties},
	{name: "properties/live and move with the file", run: propertiesMove, needs: hasProperties},
	{name: "properties/of an open file", run: openProperties, needs: hasProperties},
	{name: "properties/of the entries of a folder", run: memberProperties, needs: hasProperties},
	{name: "properties/too large", run: largeProperties, needs: hasProperties},
	{name: "properties/unsupported", run: unsupportedProperties},
}

func (s *store) has(name string, want map[string]string) {
	s.Helper()
	got, err := s.Properties(s.Context(), s.at(name))
	if err != nil || !maps.EqualFunc(got, want, func(a []byte, b string) bool { return string(a) == b }) {
		s.Errorf("properties of %s: got %q, %v, want %q", name, got, err, want)
	}
}

func (s *store) give(name string, props map[string]string) error {
	m := make(map[string][]byte, len(props))
	for k, v := range props {
		m[k] = []byte(v)
	}
	return s.SetProperties(s.Context(), s.at(name), m)
}

func noProperties(s *store) {
	s.write("/a", "")
	s.mkdir("/d")
	s.has("/a", nil)
	s.has("/d", nil)
	s.must("remove none", s.give("/a", nil))
	_, err := s.Properties(s.Context(), s.at("/none"))
	s.refused("of nothing", err, fs.ErrNotExist, "/none")
	s.refused("to nothing", s.give("/none", map[string]string{"a": "b"}), fs.ErrNotExist, "/none")
}

// memberProperties reads through an open folder: what is there, or an error.
func memberProperties(s *store) {
	s.mkdir("/d", "/d/sub")
	s.write("/d/a", "content")
	s.write("/d/plain", "content")
	want := map[string]string{"a": "1", "sub": "2", "plain": ""}
	s.must("set", s.give("/d/a", map[string]string{"p": "1"}))
	s.must("set", s.give("/d/sub", map[string]string{"p": "2"}))
	d, err := s.List(s.Context(), s.at("/d"))
	s.must("list", err)
	for name, value := range want {
		if props, err := d.Properties(name); err == nil && string(props["p"]) != value {
			s.Errorf("properties of the entry %s: got %q", name, props)
		}
	}
	for _, name := range []string{"none", "", "..", "sub/../a", "../d/a"} {
		if props, err := d.Properties(name); err == nil {
			s.Errorf("properties of the entry %q: got %q, want an error", name, props)
		}
	}
	s.must("close", d.Close())
	if _, err := d.Properties("a"); err == nil {
		s.Error("properties of an entry of a closed folder")
	}
}

func setProperties(s *store) {
	s.write("/a", "content")
	s.mkdir("/d")
	first := map[string]string{"{DAV:}x": "<a/>", "": "empty name", "empty value": "", "\x00\xff": "\x00\xff"}
	for _, name := range []string{"/a", "/d"} {
		before := s.mustStat(name)
		s.must("set", s.give(name, first))
		s.has(name, first)
		s.must("replace", s.give(name, map[string]string{"y": "2"}))
		s.has(name, map[string]string{"y": "2"})
		if after := s.mustStat(name); !after.Modified.Equal(before.Modified) || after.Size != before.Size {
			s.Errorf("properties changed %s from %+v to %+v", name, before, after)
		}
		s.must("remove", s.give(name, nil))
		s.has(name, nil)
	}
	s.holds("/a", "content")
}

func propertiesMove(s *store) {
	s.mkdir("/d")
	s.write("/d/a", "content")
	s.must("set", s.give("/d/a", map[string]string{"x": "1"}))
	s.must("set", s.give("/d", map[string]string{"y": "2"}))
	s.must("rename", s.rename("/d", "/e", false))
	s.has("/e", map[string]string{"y": "2"})
	s.must("rename", s.rename("/e/a", "/b", false))
	s.has("/b", map[string]string{"x": "1"})
	s.must("remove", s.Remove(s.Context(), s.at("/b")))
	s.write("/b", "another")
	s.has("/b", nil)
}

func openProperties(s *store) {
	s.write("/a", "content")
	f := s.mustOpen("/a", backend.How{Write: true})
	defer f.Close()
	s.must("rename", s.rename("/a", "/b", false))
	s.must("set", f.SetProperties(map[string][]byte{"x": []byte("1")}))
	s.has("/b", map[string]string{"x": "1"})
	got, err := f.Properties()
	if err != nil || !bytes.Equal(got["x"], []byte("1")) {
		s.Errorf("got %q, %v, want what was set", got, err)
	}
}

func largeProperties(s *store) {
	s.write("/a", "content")
	small := map[string]string{"x": "1"}
	s.must("set", s.give("/a", small))
	many := make(map[string]string)
	for i := range 1000 {
		many[fmt.Sprint(i)] = string(bytes.Repeat([]byte("x"), 1024))
	}
	err := s.give("/a", many)
	if err == nil {
		s.has("/a", many) // a store without a bound
		return
	}
	if !errors.Is(err, backend.ErrNoSpace) {
		s.Errorf("got %v, want backend.ErrNoSpace", err)
	}
	s.has("/a", small)
}

// A backend that does not claim properties says so, and forgets none in silence.
func unsupportedProperties(s *store) {
	if s.Capabilities().Properties {
		return
	}
	s.write("/a", "content")
	s.refused("set", s.give("/a", map[string]string{"x": "1"}), backend.ErrUnsupported, "/a")
	s.has("/a", nil)
}
