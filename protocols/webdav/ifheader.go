package webdav

import (
	"net/http"
	"slices"
	"strings"
)

// maxConditions bounds an If header: each may ask the lock table.
const maxConditions = 100

// An ifHeader is the lists of an If header (RFC 4918 10.4).
type ifHeader []ifList

// An ifList is the conditions in one pair of brackets, all of which must hold.
type ifList struct {
	tagged     bool
	resource   string // as it was sent, where tagged
	conditions []ifCondition
}

// An ifCondition is about a state token or an entity tag.
type ifCondition struct {
	not   bool
	token string
	etag  string // with its quotes
}

// A state is what conditions are compared with.
type state struct {
	etag   string
	tokens []string
}

var errIf = refuse(http.StatusBadRequest, "the If header cannot be understood")

// parseIf reads an If header. Lists with and without a resource do not mix.
func parseIf(s string) (ifHeader, error) {
	p := ifParser{rest: s}
	var lists ifHeader
	tagged, resource := false, ""
	for p.space(); p.rest != ""; p.space() {
		if p.rest[0] == '<' {
			if len(lists) > 0 && !lists[0].tagged {
				return nil, errIf
			}
			if tagged && lists[len(lists)-1].resource != resource {
				return nil, errIf // the former tag had no list
			}
			var ok bool
			if resource, ok = p.coded(); !ok {
				return nil, errIf
			}
			tagged = true
			if p.space(); p.rest == "" || p.rest[0] != '(' {
				return nil, errIf
			}
		}
		list, ok := p.list()
		if !ok {
			return nil, errIf
		}
		list.tagged, list.resource = tagged, resource
		lists = append(lists, list)
	}
	if len(lists) == 0 {
		return nil, errIf
	}
	return lists, nil
}

type ifParser struct {
	rest  string
	count int
}

func (p *ifParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// coded takes "<...>".
func (p *ifParser) coded() (string, bool) {
	inner, rest, ok := strings.Cut(p.rest[1:], ">")
	if !ok || inner == "" || strings.ContainsAny(inner, "< \t") {
		return "", false
	}
	p.rest = rest
	return inner, true
}

// list takes "(" 1*Condition ")".
func (p *ifParser) list() (ifList, bool) {
	if p.rest[0] != '(' {
		return ifList{}, false
	}
	p.rest = p.rest[1:]
	var list ifList
	for {
		p.space()
		if p.rest == "" {
			return list, false
		}
		if p.rest[0] == ')' {
			p.rest = p.rest[1:]
			return list, len(list.conditions) > 0
		}
		c, ok := p.condition()
		if p.count++; !ok || p.count > maxConditions {
			return list, false
		}
		list.conditions = append(list.conditions, c)
	}
}

func (p *ifParser) condition() (c ifCondition, ok bool) {
	if len(p.rest) >= 3 && strings.EqualFold(p.rest[:3], "not") {
		c.not = true
		p.rest = p.rest[3:]
		p.space()
	}
	if p.rest == "" {
		return c, false
	}
	switch p.rest[0] {
	case '<':
		c.token, ok = p.coded()
	case '[':
		c.etag, ok = p.bracketed()
	}
	return c, ok
}

// bracketed takes "[" entity-tag "]".
func (p *ifParser) bracketed() (string, bool) {
	p.rest = p.rest[1:]
	p.space()
	tag, rest, ok := cutTag(p.rest)
	if !ok {
		return "", false
	}
	p.rest = rest
	p.space()
	if p.rest == "" || p.rest[0] != ']' {
		return "", false
	}
	p.rest = p.rest[1:]
	return tag, true
}

// tokens are the state tokens that the header submits: each that appears in
// it, with Not or without (RFC 4918 10.4.1).
func (h ifHeader) tokens() []string {
	var tokens []string
	for _, list := range h {
		for _, c := range list.conditions {
			if c.token != "" && !slices.Contains(tokens, c.token) {
				tokens = append(tokens, c.token)
			}
		}
	}
	return tokens
}

// holds reports whether every condition of the list holds.
func (l ifList) holds(s state) bool {
	for _, c := range l.conditions {
		if c.matches(s) == c.not {
			return false
		}
	}
	return true
}

// matches compares a tag strongly. A token that names no lock here, as
// DAV:no-lock never does, matches nothing.
func (c ifCondition) matches(s state) bool {
	if c.token != "" {
		return slices.Contains(s.tokens, c.token)
	}
	return s.etag != "" && c.etag == s.etag
}

func (l ifList) wantsTag() bool {
	return slices.ContainsFunc(l.conditions, func(c ifCondition) bool { return c.etag != "" })
}

func (l ifList) wantsToken() bool {
	return slices.ContainsFunc(l.conditions, func(c ifCondition) bool { return c.token != "" })
}
