package webdav

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Bounds of a request's XML.
const (
	maxXML      = 256 << 10
	maxXMLDepth = 32
	maxXMLNodes = 8192
)

const (
	davSpace = "DAV:"
	xmlSpace = "http://www.w3.org/XML/1998/namespace"
)

var (
	errXML   = refuse(http.StatusBadRequest, "the XML of the request cannot be understood")
	errLarge = refuse(http.StatusRequestEntityTooLarge, "the XML of the request is too large")
	// errNoXML says that there is no body, which some methods give a meaning.
	errNoXML = refuse(http.StatusBadRequest, "the request needs an XML body")
)

// An element is one of a request's body, with its namespaces resolved.
type element struct {
	name     xml.Name
	attrs    []xml.Attr // namespace declarations left out
	lang     string     // xml:lang, its own or inherited
	children []node
}

// A node is an element or a piece of text.
type node struct {
	element *element
	text    string
}

// is reports whether e is the DAV element of this name.
func (e *element) is(local string) bool { return e.name == xml.Name{Space: davSpace, Local: local} }

// elements are the elements directly in e.
func (e *element) elements() []*element {
	var found []*element
	for _, n := range e.children {
		if n.element != nil {
			found = append(found, n.element)
		}
	}
	return found
}

// child is the first DAV element of this name in e, or nil.
func (e *element) child(local string) *element {
	for _, c := range e.elements() {
		if c.is(local) {
			return c
		}
	}
	return nil
}

// readXML reads a document of bounded size, depth and number of nodes. It
// knows no document types, so no entities but XML's own, and resolves
// namespaces strictly: a prefix is declared, and not as nothing.
func readXML(r io.Reader) (*element, error) {
	limited := &io.LimitedReader{R: r, N: maxXML + 1}
	in := bufio.NewReaderSize(limited, 1<<10)
	mark, err := in.Peek(3)
	switch {
	case len(mark) == 0 && err == io.EOF:
		return nil, errNoXML
	case string(mark) == "\ufeff":
		_, _ = in.Discard(3) // it was peeked
	}
	p := xmlReader{decoder: xml.NewDecoder(in)}
	root, err := p.document()
	switch {
	case limited.N <= 0:
		return nil, errLarge
	case err == nil, errors.Is(err, errNoXML):
		return root, err
	}
	var syntax *xml.SyntaxError
	var refused *refusal
	if errors.As(err, &syntax) || errors.As(err, &refused) || isEncoding(err) {
		return nil, errXML
	}
	return nil, err // the connection's
}

// isEncoding recognises what the decoder says of versions and character sets,
// which has no type.
func isEncoding(err error) bool { return strings.HasPrefix(err.Error(), "xml: ") }

type xmlReader struct {
	decoder *xml.Decoder
	open    []openElement
	root    *element
	nodes   int
}

// openElement is an element that has not ended, with its scope.
type openElement struct {
	element  *element
	raw      xml.Name
	prefixes map[string]string // declared here; "" is the default namespace
}

func (p *xmlReader) document() (*element, error) {
	for {
		token, err := p.decoder.RawToken()
		if err == io.EOF {
			return p.end()
		}
		if err != nil {
			return nil, err
		}
		if p.nodes++; p.nodes > maxXMLNodes {
			return nil, errXML
		}
		if err := p.take(token); err != nil {
			return nil, err
		}
	}
}

func (p *xmlReader) end() (*element, error) {
	if len(p.open) > 0 {
		return nil, errXML
	}
	if p.root == nil {
		return nil, errNoXML
	}
	return p.root, nil
}

func (p *xmlReader) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		return p.close(t)
	case xml.CharData:
		return p.text(string(t))
	case xml.Directive:
		return errXML
	case xml.ProcInst:
		if t.Target == "xml" && p.nodes > 1 {
			return errXML
		}
	}
	return nil
}

func (p *xmlReader) text(s string) error {
	if s == "" { // an empty CDATA section
		return nil
	}
	if len(p.open) > 0 {
		e := p.open[len(p.open)-1].element
		e.children = append(e.children, node{text: s})
		return nil
	}
	if strings.Trim(s, " \t\r\n") != "" {
		return errXML
	}
	return nil
}

func (p *xmlReader) start(t xml.StartElement) error {
	if len(p.open) >= maxXMLDepth || p.root != nil && len(p.open) == 0 {
		return errXML
	}
	o := openElement{raw: t.Name, element: &element{}}
	if err := o.declare(t.Attr); err != nil {
		return err
	}
	if len(p.open) > 0 {
		parent := p.open[len(p.open)-1].element
		o.element.lang = parent.lang
		parent.children = append(parent.children, node{element: o.element})
	} else {
		p.root = o.element
	}
	p.open = append(p.open, o)
	return p.resolve(o.element, t)
}

// declare reads the namespace declarations of an element (Namespaces in XML 1.0, 3 and 5).
func (o *openElement) declare(attrs []xml.Attr) error {
	for _, a := range attrs {
		prefix := a.Name.Local
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			prefix = ""
		case a.Name.Space != "xmlns":
			continue
		case a.Value == "", prefix == "xmlns", (prefix == "xml") != (a.Value == xmlSpace):
			return errXML
		}
		if _, twice := o.prefixes[prefix]; twice {
			return errXML
		}
		if o.prefixes == nil {
			o.prefixes = map[string]string{}
		}
		o.prefixes[prefix] = a.Value
	}
	return nil
}

func (p *xmlReader) resolve(e *element, t xml.StartElement) error {
	var err error
	if e.name, err = p.name(t.Name, p.space("")); err != nil {
		return err
	}
	seen := map[xml.Name]bool{}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		name, err := p.name(a.Name, "")
		if err != nil || seen[name] {
			return errXML
		}
		seen[name] = true
		if name == (xml.Name{Space: xmlSpace, Local: "lang"}) {
			e.lang = a.Value
			continue
		}
		e.attrs = append(e.attrs, xml.Attr{Name: name, Value: a.Value})
	}
	return nil
}

// name resolves a raw name; one without a prefix is in the namespace plain.
func (p *xmlReader) name(raw xml.Name, plain string) (xml.Name, error) {
	if raw.Local == "" || strings.Contains(raw.Local, ":") {
		return raw, errXML
	}
	if raw.Space == "" {
		return xml.Name{Space: plain, Local: raw.Local}, nil
	}
	space := p.space(raw.Space)
	if space == "" {
		return raw, errXML
	}
	return xml.Name{Space: space, Local: raw.Local}, nil
}

// space is what a prefix stands for here, empty where it is not declared.
func (p *xmlReader) space(prefix string) string {
	for i := len(p.open) - 1; i >= 0; i-- {
		if s, ok := p.open[i].prefixes[prefix]; ok {
			return s
		}
	}
	if prefix == "xml" {
		return xmlSpace
	}
	return ""
}

func (p *xmlReader) close(t xml.EndElement) error {
	if len(p.open) == 0 || p.open[len(p.open)-1].raw != t.Name {
		return errXML
	}
	p.open = p.open[:len(p.open)-1]
	return nil
}
