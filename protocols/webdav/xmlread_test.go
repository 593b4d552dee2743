package webdav

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadXMLRefuses(t *testing.T) {
	deep := strings.Repeat("<a>", maxXMLDepth+1) + strings.Repeat("</a>", maxXMLDepth+1)
	cases := map[string]struct {
		doc    string
		status int
	}{
		"not well-formed":                    {"<a><b></a>", 400},
		"ends early":                         {"<a><b>", 400},
		"two roots":                          {"<a/><b/>", 400},
		"text before the root":               {"x<a/>", 400},
		"text after the root":                {"<a/>x", 400},
		"undeclared prefix":                  {"<D:a/>", 400},
		"undeclared prefix of attribute":     {`<a x:b="c"/>`, 400},
		"prefix declared as nothing":         {`<D:propfind xmlns:D="DAV:"><D:prop><bar:foo xmlns:bar=""/></D:prop></D:propfind>`, 400},
		"prefix declared as nothing, unused": {`<a xmlns:x=""/>`, 400},
		"prefix out of scope":                {`<a><b xmlns:x="y"/><x:c/></a>`, 400},
		"xmlns as a prefix":                  {`<a xmlns:xmlns="b"/>`, 400},
		"xml bound to another":               {`<a xmlns:xml="b"/>`, 400},
		"another bound to xml's":             {`<a xmlns:x="http://www.w3.org/XML/1998/namespace"/>`, 400},
		"prefix declared twice":              {`<a xmlns:x="b" xmlns:x="c"/>`, 400},
		"attribute twice":                    {`<a b="1" b="2"/>`, 400},
		"attribute twice by namespace":       {`<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>`, 400},
		"two colons":                         {`<a:b:c xmlns:a="u"/>`, 400},
		"document type":                      {`<!DOCTYPE a><a/>`, 400},
		"entity":                             {`<a>&e;</a>`, 400},
		"entities that multiply":             {`<!DOCTYPE a [<!ENTITY e "eeeeeeeeee"><!ENTITY f "&e;&e;&e;">]><a>&f;</a>`, 400},
		"external entity":                    {`<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>`, 400},
		"other character set":                {`<?xml version="1.0" encoding="utf-16"?><a/>`, 400},
		"other version":                      {`<?xml version="1.1"?><a/>`, 400},
		"declaration in the middle":          {`<a><?xml version="1.0"?></a>`, 400},
		"not UTF-8":                          {"<a>\xff</a>", 400},
		"character that XML forbids":         {"<a>&#1;</a>", 400},
		"too deep":                           {deep, 400},
		"too many nodes":                     {"<a>" + strings.Repeat("<b/>", maxXMLNodes) + "</a>", 400},
		"too large":                          {"<a>" + strings.Repeat("x", maxXML) + "</a>", 413},
		"too large before anything is read":  {strings.Repeat(" ", maxXML+1), 413},
		"nothing":                            {"", 400},
		"blanks":                             {" \r\n", 400},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			root, err := readXML(strings.NewReader(c.doc))
			if err == nil {
				t.Fatalf("accepted as %+v", root)
			}
			if got := answerTo("PROPFIND", err).status; got != c.status {
				t.Errorf("status %d (%v), want %d", got, err, c.status)
			}
		})
	}
}

// An error of the connection is no error of the XML.
func TestReadXMLBrokenConnection(t *testing.T) {
	gone := errors.New("connection reset")
	_, err := readXML(iotest.ErrReader(gone))
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

func TestReadXMLNamespaces(t *testing.T) {
	doc := "\ufeff" + `<?xml version="1.0" encoding="UTF-8"?>
<!-- first --><D:propfind xmlns:D="DAV:" xmlns="http://default/"><D:prop>
<a/><x:b xmlns:x="u"/><c xmlns=""/><x:d xmlns:x="v" x:e="1" f="2"/><D:g/></D:prop></D:propfind>`
	root, err := readXML(strings.NewReader(doc))
	if err != nil || !root.is("propfind") {
		t.Fatalf("got %+v, %v", root, err)
	}
	var got []xml.Name
	for _, e := range root.child("prop").elements() {
		got = append(got, e.name)
	}
	want := []xml.Name{{Space: "http://default/", Local: "a"}, {Space: "u", Local: "b"}, {Local: "c"}, {Space: "v", Local: "d"}, dav("g")}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	attrs := root.child("prop").elements()[3].attrs
	if len(attrs) != 2 || attrs[0].Name != (xml.Name{Space: "v", Local: "e"}) || attrs[1].Name != (xml.Name{Local: "f"}) {
		t.Errorf("attributes %v", attrs)
	}
}

// A property is kept as a document of its own, and means the same when it is
// put into an answer.
func TestAppendElement(t *testing.T) {
	cases := map[string]struct{ doc, want string }{
		"plain":               {`<a xmlns="u">text</a>`, `<a xmlns="u">text</a>`},
		"no namespace":        {`<a>text</a>`, `<a xmlns="">text</a>`},
		"prefix":              {`<x:a xmlns:x="u"><x:b/></x:a>`, `<a xmlns="u"><b/></a>`},
		"change of space":     {`<x:a xmlns:x="u"><b/></x:a>`, `<a xmlns="u"><b xmlns=""/></a>`},
		"attributes":          {`<a xmlns:x="u" x:b="1" c="2"/>`, `<a xmlns="" xmlns:a0="u" a0:b="1" c="2"/>`},
		"language":            {`<a xml:lang="de"><b>t</b></a>`, `<a xmlns="" xml:lang="de"><b>t</b></a>`},
		"escapes":             {"<a b='&#10;\"'>&lt;&amp;&#13;]]&gt;</a>", `<a xmlns="" b="&#10;&#34;">&lt;&amp;&#13;]]&gt;</a>`},
		"character data":      {`<a><![CDATA[<b>]]></a>`, `<a xmlns="">&lt;b&gt;</a>`},
		"namespace to escape": {`<a xmlns="&quot;&lt;"/>`, `<a xmlns="&#34;&lt;"/>`},
		"beyond the BMP":      {`<a>&#65536;</a>`, "<a xmlns=\"\">\U00010000</a>"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			root, err := readXML(strings.NewReader(c.doc))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(appendElement(nil, root)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// The language of a property is the one it was sent in, wherever it was declared.
func TestLanguageIsInherited(t *testing.T) {
	root, err := readXML(strings.NewReader(`<set xml:lang="fr"><prop><a>t</a></prop></set>`))
	if err != nil {
		t.Fatal(err)
	}
	a := root.elements()[0].elements()[0]
	if got, want := string(appendElement(nil, a)), `<a xmlns="" xml:lang="fr">t</a>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzXML: whatever is accepted can be written and read again, and is then the same.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		`<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>`,
		`<a xmlns:x="u" x:b="1" xml:lang="de">t<![CDATA[<]]><c xmlns=""/></a>`,
		`<!DOCTYPE a><a/>`, `<a xmlns:b=""/>`, "<a>\r\n&#xD;</a>", "<a><![CDATA[]]></a>",
	} {
		f.Add([]byte(s))
	}
	for _, turn := range everyTurn(f) {
		f.Add([]byte(strings.Join(turn.body, "")))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		root, err := readXML(bytes.NewReader(doc))
		if err != nil {
			return
		}
		once := appendElement(nil, root)
		if len(once) > maxXML {
			return
		}
		again, err := readXML(bytes.NewReader(once))
		if err != nil {
			t.Fatalf("%q was written as %q, which is refused: %v", doc, once, err)
		}
		if twice := appendElement(nil, again); !bytes.Equal(once, twice) {
			t.Fatalf("%q was written as %q, and that as %q", doc, once, twice)
		}
	})
}

func TestPropertyKeys(t *testing.T) {
	for _, n := range []xml.Name{{Space: "u", Local: "a"}, {Local: "a"}, {Space: "}{", Local: "a"}} {
		if got, ok := nameOf(key(n)); !ok || got != n {
			t.Errorf("%v became %v, %v", n, got, ok)
		}
	}
	for _, k := range []string{"", "a", "{u", "{u}", "u}a"} {
		if n, ok := nameOf(k); ok {
			t.Errorf("%q became %v", k, n)
		}
	}
}

func TestXMLSafe(t *testing.T) {
	for s, want := range map[string]bool{"a": true, "ü\t": true, "\U0001F600": true, "\x01": false, "\xff": false, "\ufffe": false, "a\x00": false, "\ufffd": true} {
		if got := xmlSafe(s); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
}
