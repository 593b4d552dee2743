package webdav

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// A patch is the change of one property.
type patch struct {
	name    xml.Name
	element *element // nil removes
}

// A patchResult is what became of it.
type patchResult struct {
	name xml.Name
	answer
}

// proppatch changes all the properties or none (RFC 4918 9.2). Dead ones are
// kept with the file as they were sent; of the live ones only the modification
// time can be changed, under its own name and under the one that Windows gives it.
func (q *request) proppatch() error {
	patches, err := readPatches(q.x.body)
	if err != nil {
		return err
	}
	info, err := q.found()
	if err != nil {
		return err
	}
	results := refusals(patches)
	if len(results) == 0 {
		if err := q.apply(patches, info); err != nil {
			a := answerTo(q.r.Method, err)
			if a.status != http.StatusInsufficientStorage && !errors.Is(err, session.ErrUnsupported) {
				return err
			}
			results = append(results, patchResult{patches[0].name, a})
		}
	}
	return q.tellPatches(patches, results, info)
}

// readPatches reads a propertyupdate, in its order.
func readPatches(body *upload) ([]patch, error) {
	root, err := readXML(body)
	if err != nil {
		return nil, err
	}
	if !root.is("propertyupdate") {
		return nil, errXML
	}
	var patches []patch
	for _, action := range root.elements() {
		set := action.is("set")
		prop := action.child("prop")
		if !set && !action.is("remove") || prop == nil {
			continue
		}
		for _, e := range prop.elements() {
			p := patch{name: e.name}
			if set {
				p.element = e
			}
			patches = append(patches, p)
		}
	}
	if len(patches) == 0 {
		return nil, errXML
	}
	return patches, nil
}

// refusals are the patches that the protocol forbids.
func refusals(patches []patch) []patchResult {
	var results []patchResult
	for _, p := range patches {
		switch {
		case isLive(p.name) && (!settable[p.name.Local] || p.element == nil):
			results = append(results, patchResult{p.name, answer{status: http.StatusForbidden, condition: protected}})
		case p.dates() && !validTime(p.element):
			results = append(results, patchResult{p.name, answer{status: http.StatusConflict}})
		}
	}
	return results
}

// win32Modified is what Windows sets after an upload. Kept as it was sent it would
// go on saying so when the file has long been changed through another door.
var win32Modified = xml.Name{Space: "urn:schemas-microsoft-com:", Local: "Win32LastModifiedTime"}

// dates reports whether the patch sets the modification time.
func (p patch) dates() bool {
	return p.element != nil && (p.name == dav("getlastmodified") || p.name == win32Modified)
}

func validTime(e *element) bool {
	_, err := http.ParseTime(textOf(e))
	return err == nil
}

func textOf(e *element) string {
	var s strings.Builder
	for _, n := range e.children {
		s.WriteString(n.text)
	}
	return strings.TrimSpace(s.String())
}

// apply makes the change. The time is set first and taken back where the
// properties, which change together or not at all, cannot be set.
func (q *request) apply(patches []patch, before session.Info) error {
	change := map[string][]byte{}
	var modified *time.Time
	for _, p := range patches {
		switch {
		case p.dates():
			t, err := http.ParseTime(textOf(p.element))
			if err != nil {
				return err
			}
			modified = &t
		case p.element == nil:
			change[key(p.name)] = nil
		default:
			change[key(p.name)] = appendElement(nil, p.element)
		}
	}
	q.fs = q.fs.Once()
	takeBack := func() error { return nil }
	if modified != nil {
		var err error
		if takeBack, err = redate(q.ctx, q.fs, q.path, *modified, before); err != nil {
			return err
		}
	}
	if len(change) == 0 {
		return nil
	}
	if err := q.fs.SetProperties(q.ctx, q.path, change); err != nil {
		return errors.Join(err, takeBack())
	}
	return nil
}

// redate sets a modification time. It is taken back where nobody has written
// meanwhile: with its old time another content would have the old entity tag.
func redate(ctx context.Context, files *session.FS, p path.Path, t time.Time, before session.Info) (takeBack func() error, err error) {
	if err := files.SetAttr(ctx, p, session.Attr{Modified: &t}); err != nil {
		return nil, err
	}
	ours, err := files.Stat(ctx, p)
	if err != nil {
		return nil, err
	}
	return func() error {
		now, err := files.Stat(ctx, p)
		if err != nil || now.ETag() != ours.ETag() {
			return err
		}
		old := before.ModTime()
		return files.SetAttr(ctx, p, session.Attr{Modified: &old})
	}, nil
}

// tellPatches answers 207: what failed and why, and 424 for what failed with
// it; or 200 for all.
func (q *request) tellPatches(patches []patch, results []patchResult, info session.Info) error {
	why := map[xml.Name]answer{}
	for _, r := range results {
		why[r.name] = r.answer
	}
	b := appendString([]byte(multiHead), "<D:response><D:href>", q.h.href(q.path, info.IsDir()), "</D:href>")
	told := map[xml.Name]bool{}
	for _, p := range patches {
		if told[p.name] {
			continue
		}
		told[p.name] = true
		a := answer{status: http.StatusOK}
		if len(results) > 0 {
			a.status = http.StatusFailedDependency
		}
		if failed, ok := why[p.name]; ok {
			a = failed
		}
		b = q.appendPropstat(b, p.name, a)
	}
	b = appendString(b, "</D:response>\n", multiTail)
	q.multistatus()
	_, err := q.x.Write(b)
	return err
}

func (q *request) appendPropstat(b []byte, n xml.Name, a answer) []byte {
	b = appendString(b, "<D:propstat><D:prop>")
	b = appendEmpty(b, n)
	b = appendString(b, "</D:prop><D:status>", statusLine(a.status), "</D:status>")
	if a.condition != "" {
		b = appendString(b, "<D:error>")
		b = q.h.appendCondition(b, a)
		b = appendString(b, "</D:error>")
	}
	return appendString(b, "</D:propstat>")
}

func unsupported(err error) bool { return errors.Is(err, session.ErrUnsupported) }
