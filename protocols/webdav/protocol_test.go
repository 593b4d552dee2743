package webdav

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// WebDAV passes the suite that every front end passes.
func TestProtocol(t *testing.T) {
	protocoltest.Run(t, protocoltest.Door{
		Door:           policy.WebDAV,
		AlwaysAtomic:   true,
		RenameReplaces: true,
		RemovesTrees:   true,
		SetsTimes:      true,
		ClimbsRefused:  true,
		NamesHolder:    true,
		Serve: func(t testing.TB, w *protocoltest.World) protocoltest.Dial {
			s := httptest.NewServer(New(Config{Sessions: w.Sessions, Log: w.Log}).Mount(http.NotFoundHandler()))
			t.Cleanup(s.Close)
			return func(l protocoltest.Login) (protocoltest.Client, error) { return enter(s, l) }
		},
		Join: func(at []protocoltest.Client) protocoltest.Client {
			d := at[0].(*davClient)
			for _, c := range at[1:] {
				d.hosts = append(d.hosts, c.(*davClient).hosts...)
				_ = c.Close()
			}
			return d
		},
	})
}

// served is the name by which clients know the site, whichever node answers.
const served = "gateway"

// A davClient is a WebDAV client of few words.
type davClient struct {
	hosts []string // each request goes to the next of them
	asked atomic.Uint64
	protocoltest.Person
	ctx  context.Context
	stop context.CancelFunc
	http *http.Transport
}

func enter(s *httptest.Server, l protocoltest.Login) (protocoltest.Client, error) {
	d := &davClient{hosts: []string{s.Listener.Addr().String()}, Person: l.Person, http: &http.Transport{}}
	d.ctx, d.stop = context.WithCancel(context.Background()) // until Close
	if _, err := d.Stat("/"); errors.Is(err, protocoltest.ErrLogin) {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// Close is Client's.
func (d *davClient) Close() error {
	d.stop()
	d.http.CloseIdleConnections()
	return nil
}

// escape sends a name as it is: the slashes in it are slashes.
func escape(name string) string { return "/dav" + string(appendEscaped(nil, name)) }

func (d *davClient) request(method, name string, body io.Reader, headers ...string) (*http.Response, error) {
	host := d.hosts[d.asked.Add(1)%uint64(len(d.hosts))]
	r, err := http.NewRequestWithContext(d.ctx, method, "http://"+host, body)
	if err != nil {
		return nil, err
	}
	r.URL, r.Host = &url.URL{Scheme: "http", Host: host, Opaque: escape(name)}, served
	r.SetBasicAuth(d.Name, d.Password)
	for _, h := range headers {
		key, value, _ := strings.Cut(h, ": ")
		r.Header.Set(key, value)
	}
	answer, err := d.http.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // the status says enough
		return nil, statusError(method, answer.StatusCode, string(text))
	}
	return answer, nil
}

// errFull is either: both are 507.
var errFull = errors.Join(protocoltest.ErrQuota, protocoltest.ErrNoSpace)

// statusError is a status as the suite names it, with what people read.
func statusError(method string, status int, text string) error {
	kinds := map[int]error{
		401: protocoltest.ErrLogin, 403: protocoltest.ErrDenied, 404: protocoltest.ErrNotFound, 423: protocoltest.ErrLocked,
		507: errFull, 503: protocoltest.ErrAway, 412: protocoltest.ErrExists, 409: protocoltest.ErrNotFound, // the parent
	}
	if method == "MKCOL" {
		kinds[405] = protocoltest.ErrExists
	}
	text = strings.ReplaceAll(text, `<locked-by xmlns="urn:gatehouse">`, "locked by ")
	return errors.Join(fmt.Errorf("%s: status %d: %s", method, status, text), kinds[status])
}

// do is request without an interest in the answer's body.
func (d *davClient) do(method, name string, body io.Reader, headers ...string) error {
	answer, err := d.request(method, name, body, headers...)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}

// Put, and what follows, is Client's.
func (d *davClient) Put(name string, r io.Reader) error { return d.do("PUT", name, io.MultiReader(r)) }

func (d *davClient) PutAt(string, int64, io.Reader) error { return protocoltest.ErrUnsupported }

func (d *davClient) Get(name string, offset int64) (io.ReadCloser, error) {
	var headers []string
	if offset > 0 {
		headers = append(headers, fmt.Sprintf("Range: bytes=%d-", offset))
	}
	answer, err := d.request("GET", name, nil, headers...)
	if err != nil {
		return nil, err
	}
	if answer.Header.Get("ETag") == "" {
		_ = answer.Body.Close()
		return nil, errors.New("GET: it is a collection")
	}
	return answer.Body, nil
}

func (d *davClient) Mkdir(name string) error     { return d.do("MKCOL", name, nil) }
func (d *davClient) Remove(name string) error    { return d.do("DELETE", name, nil) }
func (d *davClient) RemoveDir(name string) error { return d.do("DELETE", name, nil) }

func (d *davClient) Rename(from, to string) error {
	return d.do("MOVE", from, nil, "Destination: http://"+served+escape(to))
}

func (d *davClient) SetModified(name string, at time.Time) error {
	answer, err := d.request("PROPPATCH", name, strings.NewReader(patchBody(
		"<D:getlastmodified>"+at.UTC().Format(http.TimeFormat)+"</D:getlastmodified>")))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && !bytes.Contains(b, []byte(" 200 OK")) {
		err = fmt.Errorf("PROPPATCH: %s", b)
	}
	return err
}

const entryProps = `<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>`

func (d *davClient) Stat(name string) (protocoltest.Entry, error) {
	all, err := d.find(name, "0")
	if err != nil || len(all) != 1 {
		return protocoltest.Entry{}, errors.Join(err, fmt.Errorf("PROPFIND: %d responses", len(all)))
	}
	return all[0], nil
}

func (d *davClient) List(folder string) ([]protocoltest.Entry, error) {
	all, err := d.find(folder, "1")
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || !all[0].Dir {
		return nil, errors.New("PROPFIND: it is no collection")
	}
	return all[1:], nil
}

// find returns the entries of a PROPFIND, the resource itself first; those
// without properties are broken and left out.
func (d *davClient) find(name, depth string) ([]protocoltest.Entry, error) {
	answer, err := d.request("PROPFIND", name, strings.NewReader(entryProps), "Depth: "+depth)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var m multi
	if err := xml.NewDecoder(answer.Body).Decode(&m); err != nil {
		return nil, err
	}
	var all []protocoltest.Entry
	for _, r := range m.Responses {
		for _, s := range r.Propstat {
			if !strings.Contains(s.Status, " 200 ") {
				continue
			}
			e, err := entryOf(r.Href, s.Prop)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

func entryOf(href string, p props) (e protocoltest.Entry, err error) {
	e.Dir = strings.Contains(p[dav("resourcetype")], "collection")
	if strings.HasSuffix(href, "/") != e.Dir {
		return e, fmt.Errorf("%s: folder is %v", href, e.Dir)
	}
	href = strings.TrimSuffix(href, "/")
	if e.Name, err = url.PathUnescape(href[strings.LastIndexByte(href, '/')+1:]); err != nil {
		return e, err
	}
	if !e.Dir {
		e.Size, err = strconv.ParseInt(p[dav("getcontentlength")], 10, 64)
	}
	if err == nil {
		e.Modified, err = http.ParseTime(p[dav("getlastmodified")])
	}
	return e, err
}
