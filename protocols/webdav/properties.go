package webdav

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/stamp"
)

// A resource is one of a PROPFIND, with what its properties are made of. What
// costs a question is asked when the first property needs it.
type resource struct {
	q    *request
	path path.Path
	info session.Info
	dir  *session.Dir // that the info is from; nil where it is from none

	dead      map[string][]byte
	deadAsked bool
	space     *session.Space
	unlocked  bool // no lock is on it: that was asked before
}

// A liveProperty appends the value of a property; ok is false where the
// resource has no such property.
type liveProperty func(b []byte, r *resource) (out []byte, ok bool, err error)

// A property is one that is asked for, with what it is written of.
type property struct {
	name       xml.Name
	live       liveProperty // nil where it is a dead one
	begin, end string
}

func propertiesOf(names []xml.Name) []property {
	list := make([]property, 0, len(names))
	for _, n := range names {
		p := property{name: n}
		if isLive(n) {
			p.live, p.begin, p.end = liveProperties[n.Local], "<D:"+n.Local+">", "</D:"+n.Local+">"
		}
		list = append(list, p)
	}
	return list
}

// value appends one property, or tells that the resource has none of this name.
func (p *property) value(b []byte, r *resource) ([]byte, bool, error) {
	if p.live == nil {
		dead, err := r.properties()
		v, ok := dead[key(p.name)]
		return append(b, v...), ok, err
	}
	out, ok, err := p.live(append(b, p.begin...), r)
	if err != nil || !ok {
		return b, false, err
	}
	return append(out, p.end...), true, nil
}

// liveProperties are those of RFC 4918 15 and RFC 4331 that this server gives.
var liveProperties = map[string]liveProperty{
	"creationdate":          creationDate,
	"displayname":           displayName,
	"getcontentlength":      contentLength,
	"getcontenttype":        contentTypeProperty,
	"getetag":               entityTag,
	"getlastmodified":       lastModified,
	"lockdiscovery":         lockDiscovery,
	"quota-available-bytes": quotaAvailable,
	"quota-used-bytes":      quotaUsed,
	"resourcetype":          resourceType,
	"supportedlock":         supportedLock,
}

// allProperties are the live properties of allprop. The quota properties are
// not among them (RFC 4331 3).
var allProperties = []xml.Name{
	dav("resourcetype"), dav("displayname"), dav("creationdate"), dav("getlastmodified"),
	dav("getcontentlength"), dav("getcontenttype"), dav("getetag"), dav("supportedlock"), dav("lockdiscovery"),
}

// settable are the live properties that PROPPATCH changes.
var settable = map[string]bool{"getlastmodified": true}

func dav(local string) xml.Name { return xml.Name{Space: davSpace, Local: local} }

// creationDate stands in with the modification time: stores keep no other that
// survives a copy, and it is never before it.
func creationDate(b []byte, r *resource) ([]byte, bool, error) {
	return stamp.AppendInternet(b, r.info.ModTime()), true, nil
}

// displayName is the last element of the path, where XML can hold it. It cannot
// be set: every listing asks for it, and would have to look into every file.
func displayName(b []byte, r *resource) ([]byte, bool, error) {
	name := r.path.Base()
	if name == "" || !xmlSafe(name) {
		return b, false, nil
	}
	return appendText(b, name), true, nil
}

func contentLength(b []byte, r *resource) ([]byte, bool, error) {
	if r.info.IsDir() {
		return b, false, nil
	}
	return strconv.AppendInt(b, r.info.Size(), 10), true, nil
}

func contentTypeProperty(b []byte, r *resource) ([]byte, bool, error) {
	if r.info.IsDir() {
		return b, false, nil
	}
	return appendString(b, typeOf(r.path.Base())), true, nil
}

func entityTag(b []byte, r *resource) ([]byte, bool, error) {
	if r.info.IsDir() {
		return b, false, nil
	}
	return appendText(b, r.info.ETag()), true, nil
}

func lastModified(b []byte, r *resource) ([]byte, bool, error) {
	return stamp.AppendHTTP(b, r.info.ModTime()), true, nil
}

func resourceType(b []byte, r *resource) ([]byte, bool, error) {
	if r.info.IsDir() {
		b = appendString(b, "<D:collection/>")
	}
	return b, true, nil
}

func supportedLock(b []byte, _ *resource) ([]byte, bool, error) {
	return appendString(b,
		"<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>",
		"<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"), true, nil
}

func lockDiscovery(b []byte, r *resource) ([]byte, bool, error) {
	if r.unlocked {
		return b, true, nil
	}
	locks, err := r.q.fs.Locks(r.q.ctx, r.path)
	if err != nil && !unseen(err) {
		return b, false, err
	}
	now := time.Now()
	for _, l := range locks {
		b = r.q.h.appendActiveLock(b, l, now)
	}
	return b, true, nil
}

// quotaAvailable is left out where nothing bounds it: unlimited is not a number.
func quotaAvailable(b []byte, r *resource) ([]byte, bool, error) {
	space, err := r.asked()
	if err != nil || space.FreeBytes < 0 {
		return b, false, err
	}
	return strconv.AppendInt(b, space.FreeBytes, 10), true, nil
}

// quotaUsed is told of quotas only: what a whole store holds is nobody's use.
func quotaUsed(b []byte, r *resource) ([]byte, bool, error) {
	space, err := r.asked()
	if err != nil || !space.Quota || space.UsedBytes < 0 {
		return b, false, err
	}
	return strconv.AppendInt(b, space.UsedBytes, 10), true, nil
}

// asked is the space of a collection; files have none of their own (RFC 4331 3).
func (r *resource) asked() (session.Space, error) {
	none := session.Space{FreeBytes: -1, UsedBytes: -1}
	if !r.info.IsDir() {
		return none, nil
	}
	if r.space == nil {
		s, err := r.q.fs.Space(r.q.ctx, r.path)
		if unseen(err) {
			s, err = none, nil
		}
		if err != nil {
			return none, err
		}
		r.space = &s
	}
	return *r.space, nil
}

// properties are the dead properties. Where they may not be read there are none.
func (r *resource) properties() (map[string][]byte, error) {
	if r.deadAsked {
		return r.dead, nil
	}
	dead, err := r.keptProperties()
	if err != nil && !unseen(err) && !unsupported(err) {
		return nil, err
	}
	r.dead, r.deadAsked = dead, true
	return dead, nil
}

// keptProperties asks the folder that is being listed, which need not look the
// resource up.
func (r *resource) keptProperties() (map[string][]byte, error) {
	if r.dir != nil {
		return r.dir.Properties(r.q.ctx, r.info)
	}
	return r.q.fs.Properties(r.q.ctx, r.path)
}

// key is the name under which a dead property is kept; its value is the whole
// element, as appendElement wrote it.
func key(n xml.Name) string { return "{" + n.Space + "}" + n.Local }

// nameOf is key's inverse; ok is false for what no door of this kind wrote.
func nameOf(key string) (n xml.Name, ok bool) {
	rest, ok := strings.CutPrefix(key, "{")
	i := strings.LastIndexByte(rest, '}')
	if !ok || i < 0 || i == len(rest)-1 {
		return n, false
	}
	return xml.Name{Space: rest[:i], Local: rest[i+1:]}, true
}
