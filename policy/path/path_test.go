package path_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy/path"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("n", path.MaxName)
	tests := []struct {
		in, want string
		err      error
	}{
		{"", "/", nil},
		{"/", "/", nil},
		{".", "/", nil},
		{"a", "/a", nil},
		{"//a///b/", "/a/b", nil},
		{"/a/./b/.", "/a/b", nil},
		{"/a/../b", "/b", nil},
		{"/../../etc/passwd", "/etc/passwd", nil},
		{"a/../../../b", "/b", nil},
		{"/..", "/", nil},
		{"/...", "/...", nil},
		{"/..a/b..", "/..a/b..", nil},
		{`/a\..\b`, `/a\..\b`, nil},
		{"/%2e%2e/a", "/%2e%2e/a", nil},
		{"/Icon\r", "/Icon\r", nil},
		{"/\xff\xfe", "/\xff\xfe", nil},
		{"/A/a", "/A/a", nil},
		{"/" + long, "/" + long, nil},
		{"/" + long + "x", "", path.ErrTooLong},
		{strings.Repeat("/a", path.MaxLength/2+1), "", path.ErrTooLong},
		{strings.Repeat("a/", path.MaxLength/2), "/a" + strings.Repeat("/a", path.MaxLength/2-1), nil},
		{strings.Repeat("/a", path.MaxLength/2)[1:] + "b", "/a" + strings.Repeat("/a", path.MaxLength/2-1) + "b", path.ErrTooLong},
		{"/a\x00b", "", path.ErrInvalid},
		{"/\x00/..", "", path.ErrInvalid},
	}
	for _, tt := range tests {
		got, err := path.Parse(tt.in)
		if !errors.Is(err, tt.err) || err == nil && got.String() != tt.want {
			t.Errorf("Parse(%.40q) = %.40q, %v, want %.40q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestParseStrictRefusesToClimb(t *testing.T) {
	for _, s := range []string{"..", "/..", "/a/..", "/a/../b", "a/b/../../c"} {
		if _, err := path.ParseStrict(s); !errors.Is(err, path.ErrClimbs) {
			t.Errorf("ParseStrict(%q) = %v, want ErrClimbs", s, err)
		}
	}
	if p, err := path.ParseStrict("//a/./..b"); err != nil || p.String() != "/a/..b" {
		t.Errorf("ParseStrict = %q, %v", p, err)
	}
}

func TestJoinRefusesWhatIsNoName(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "/", "a\x00", strings.Repeat("n", 256)} {
		if p, err := path.MustParse("/a").Join(name); err == nil {
			t.Errorf("Join(%.20q) = %q, want an error", name, p)
		}
	}
	deep := path.MustParse(strings.Repeat("/a", path.MaxLength/2))
	if _, err := deep.Join("b"); !errors.Is(err, path.ErrTooLong) {
		t.Errorf("Join beyond the longest path: %v, want ErrTooLong", err)
	}
	if p, err := path.Root.Join("a"); err != nil || p.String() != "/a" {
		t.Errorf("Join on the root = %q, %v", p, err)
	}
}

func TestPartsOfAPath(t *testing.T) {
	tests := []struct{ p, base, dir, first, rest string }{
		{"/", "", "/", "", "/"},
		{"/a", "a", "/", "a", "/"},
		{"/a/b", "b", "/a", "a", "/b"},
		{"/a/b/c", "c", "/a/b", "a", "/b/c"},
	}
	for _, tt := range tests {
		p := path.MustParse(tt.p)
		first, rest := p.First()
		if p.Base() != tt.base || p.Dir().String() != tt.dir || first != tt.first || rest.String() != tt.rest {
			t.Errorf("%s: base %q, dir %s, first %q, rest %s", p, p.Base(), p.Dir(), first, rest)
		}
	}
	p := path.MustParse("/a/b/c")
	if got := slices.Collect(p.Names()); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("Names = %q", got)
	}
	if got := slices.Collect(path.Root.Names()); len(got) != 0 {
		t.Errorf("Names of the root = %q", got)
	}
	var above []string
	for q := range p.Above() {
		above = append(above, q.String())
	}
	if !slices.Equal(above, []string{"/a/b/c", "/a/b", "/a", "/"}) {
		t.Errorf("Above = %q", above)
	}
}

// A sibling whose name begins alike is not below: /home/bobby is not bob's.
func TestContains(t *testing.T) {
	tests := []struct {
		p, q            string
		contains, holds bool
	}{
		{"/", "/", true, false},
		{"/", "/a", true, true},
		{"/", "/a/b", true, false},
		{"/a", "/", false, false},
		{"/a", "/a", true, false},
		{"/a", "/a/b", true, true},
		{"/a", "/a/b/c", true, false},
		{"/a", "/ab", false, false},
		{"/a", "/ab/c", false, false},
		{"/a/b", "/a/c", false, false},
		{"/a", "/b/c", false, false},
	}
	for _, tt := range tests {
		p, q := path.MustParse(tt.p), path.MustParse(tt.q)
		if got := p.Contains(q); got != tt.contains {
			t.Errorf("%s.Contains(%s) = %v", p, q, got)
		}
		if got := p.Holds(q); got != tt.holds {
			t.Errorf("%s.Holds(%s) = %v", p, q, got)
		}
		rel, ok := p.Rel(q)
		if ok != tt.contains || ok && p.Append(rel) != q {
			t.Errorf("%s.Rel(%s) = %s, %v", p, q, rel, ok)
		}
	}
}

func TestComparePutsAFolderRightBeforeWhatIsBelow(t *testing.T) {
	var got []string
	list := []path.Path{}
	for _, s := range []string{"/a-b", "/a/z", "/b", "/a", "/", "/a\x01", "/a/b/c", "/a/b"} {
		list = append(list, path.MustParse(s))
	}
	slices.SortFunc(list, path.Path.Compare)
	for _, p := range list {
		got = append(got, p.String())
	}
	want := []string{"/", "/a", "/a/b", "/a/b/c", "/a/z", "/a\x01", "/a-b", "/b"}
	if !slices.Equal(got, want) {
		t.Errorf("sorted = %q, want %q", got, want)
	}
}

func TestJSONTakesOnlyCleanPaths(t *testing.T) {
	for _, s := range []string{"", "a", "/a/", "//a", "/a/../b", "/./a", "/a\u0000"} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var p path.Path
		if err := json.Unmarshal(b, &p); err == nil {
			t.Errorf("%s was read as %s", b, p)
		}
	}
	in := path.MustParse("/a/b c")
	b, err := json.Marshal(map[path.Path]path.Path{in: path.Root})
	if err != nil || string(b) != `{"/a/b c":"/"}` {
		t.Fatalf("Marshal = %s, %v", b, err)
	}
	var out map[path.Path]path.Path
	if err := json.Unmarshal(b, &out); err != nil || out[in] != path.Root || len(out) != 1 {
		t.Errorf("Unmarshal = %v, %v", out, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "/", "..", "/../a", "a/./../b//c", "/\x00", "\xff/..", "....//", "/a/..../b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := path.Parse(s)
		if err != nil {
			return
		}
		checkClean(t, p)
		again, err := path.Parse(p.String())
		if err != nil || again != p {
			t.Errorf("%q: Parse is not idempotent: %q, %v", p, again, err)
		}
		below, err := path.Parse("/jail/" + strings.Trim(s, "/"))
		climbs := slices.Contains(strings.Split(s, "/"), "..")
		if err == nil && !climbs && !path.MustParse("/jail").Contains(below) {
			t.Errorf("%q leaves the folder it was put in: %q", s, below)
		}
		strict, err := path.ParseStrict(s)
		if climbs != errors.Is(err, path.ErrClimbs) || err == nil && strict != p {
			t.Errorf("ParseStrict(%q) = %q, %v", s, strict, err)
		}
	})
}

func checkClean(t *testing.T, p path.Path) {
	t.Helper()
	s := p.String()
	if s[0] != '/' || len(s) > path.MaxLength || strings.Contains(s, "\x00") {
		t.Fatalf("%q is no canonical path", s)
	}
	up := path.Root
	for name := range p.Names() {
		if err := path.ValidName(name); err != nil {
			t.Fatalf("%q has the element %q: %v", s, name, err)
		}
		next, err := up.Join(name)
		if err != nil && !errors.Is(err, path.ErrTooLong) {
			t.Fatal(err)
		}
		if err == nil && next.Dir() != up {
			t.Fatalf("Dir(%q) = %q, want %q", next, next.Dir(), up)
		}
		up = next
		if err != nil {
			return
		}
	}
	if up != p {
		t.Fatalf("the elements of %q make %q", p, up)
	}
}
