package webdav

import (
	"encoding/xml"
	"strconv"
	"unicode/utf8"
)

const (
	xmlHead = `<?xml version="1.0" encoding="utf-8"?>` + "\n"
	xmlType = "application/xml; charset=utf-8"
)

func appendString(b []byte, parts ...string) []byte {
	for _, s := range parts {
		b = append(b, s...)
	}
	return b
}

// appendText escapes s for text and for attributes in double quotes. s is XML's
// to hold: it was read from XML, or xmlSafe says so.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&#34;"...)
		case '\t', '\n', '\r':
			b = append(b, "&#"...)
			b = strconv.AppendInt(b, int64(c), 10)
			b = append(b, ';')
		default:
			b = append(b, c)
		}
	}
	return b
}

// xmlSafe reports whether XML 1.0 can hold every character of s (2.2).
func xmlSafe(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0xfffe || r == 0xffff {
			return false
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return false
		}
		i += n
	}
	return true
}

// appendElement writes e so that it means the same wherever it is put: it
// declares the namespaces it uses, and its language.
func appendElement(b []byte, e *element) []byte {
	return appendInner(b, e, "\x00", "") // no element stands in that namespace
}

func appendInner(b []byte, e *element, space, lang string) []byte {
	b = appendString(b, "<", e.name.Local)
	if e.name.Space != space {
		b = appendString(b, ` xmlns="`)
		b = append(appendText(b, e.name.Space), '"')
	}
	if e.lang != lang {
		b = appendString(b, ` xml:lang="`)
		b = append(appendText(b, e.lang), '"')
	}
	for i, a := range e.attrs {
		b = appendAttr(b, a, i)
	}
	if len(e.children) == 0 {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	for _, n := range e.children {
		if n.element != nil {
			b = appendInner(b, n.element, e.name.Space, e.lang)
			continue
		}
		b = appendText(b, n.text)
	}
	return appendString(b, "</", e.name.Local, ">")
}

func appendAttr(b []byte, a xml.Attr, i int) []byte {
	name := a.Name.Local
	switch a.Name.Space {
	case "":
	case xmlSpace:
		name = "xml:" + name
	default:
		prefix := "a" + strconv.Itoa(i)
		b = appendString(b, " xmlns:", prefix, `="`)
		b = append(appendText(b, a.Name.Space), '"')
		name = prefix + ":" + name
	}
	b = appendString(b, " ", name, `="`)
	return append(appendText(b, a.Value), '"')
}

// appendEmpty writes an element that holds nothing. DAV's own have the prefix D.
func appendEmpty(b []byte, n xml.Name) []byte {
	if n.Space == davSpace {
		return appendString(b, "<D:", n.Local, "/>")
	}
	b = appendString(b, "<", n.Local, ` xmlns="`)
	return append(appendText(b, n.Space), `"/>`...)
}
