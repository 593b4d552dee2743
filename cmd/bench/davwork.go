package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// davWorks are the rows of WebDAV.
func (f *farm) davWorks(z sizes) []*work {
	nginx, apache, both := []string{"nginx"}, []string{"apache"}, []string{"nginx", "apache"}
	row := func(name, title string, u unit, servers []string, run func(context.Context, *meter) error, goals ...goal) *work {
		return &work{name: name, title: title, door: overHTTP, unit: u, servers: servers, run: run, goals: goals}
	}
	get := row("dav-get", "HTTP GET, curl", gibibytes, both, f.davGet(z, "http", overHTTP), cpuOf(1.2, nginx...))
	put := row("dav-put", "HTTP PUT, curl", gibibytes, both, f.davPut(z, "http", overHTTP), cpuOf(0.85, nginx...))
	getTLS := row("davs-get", "HTTPS GET, curl", gibibytes, both, f.davGet(z, "https", overHTTPS), cpuOf(1, nginx...))
	putTLS := row("davs-put", "HTTPS PUT, curl", gibibytes, both, f.davPut(z, "https", overHTTPS), cpuOf(1, nginx...))
	smallPut := row("dav-small-put", fmt.Sprintf("PUT 4 KiB, %d connections, Basic", z.requests), operations, both, f.davEach(z, inFolder, putSmallDAV), cpuOf(0.4, apache...))
	smallGet := row("dav-small-get", fmt.Sprintf("GET 4 KiB, %d connections, Basic", z.requests), operations, both, f.davEach(z, fileFolder, getSmallDAV), cpuOf(0.95, apache...))
	list := row("dav-propfind-1", fmt.Sprintf("PROPFIND Depth 1, %d entries", z.entries), operations, apache, f.davList(z), cpuOf(0.6, apache...), goal{grown, nil, 8})
	one := row("dav-propfind-0", "PROPFIND Depth 0", operations, apache, f.davEach(z, fileFolder, propfind), cpuOf(0.9, apache...))
	ranges := row("dav-range", "GET of 64 KiB ranges", operations, both, f.davRanges(z), cpuOf(0.9, apache...))
	for _, w := range []*work{get, getTLS, ranges} {
		w.prepare = f.holdsBig
	}
	smallGet.prepare = holds(fileFolder, z.files, small)
	one.prepare = smallGet.prepare
	list.prepare = holds(listFolder, z.entries, 0)
	smallPut.onDisk, smallGet.onDisk = true, true
	return []*work{get, put, getTLS, putTLS, smallPut, smallGet, list, one, ranges}
}

// davGet downloads the large file with curl.
func (f *farm) davGet(z sizes, scheme string, d door) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		if err := f.knownTo(ctx, m.server); err != nil {
			return err
		}
		return f.download(ctx, m, z, func(to string) error {
			return curl(ctx, m.server, "-o", to, m.server.url(scheme, d, bigFile))
		})
	}
}

// davPut uploads it.
func (f *farm) davPut(z sizes, scheme string, d door) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		if err := f.knownTo(ctx, m.server); err != nil {
			return err
		}
		return f.upload(ctx, m, z, func() error {
			return curl(ctx, m.server, "-T", f.source(), m.server.url(scheme, d, uploaded))
		})
	}
}

// knownTo logs in over a connection that then is closed, so that curl is known
// when it comes.
func (f *farm) knownTo(ctx context.Context, s *server) error {
	c := f.dialDAV(s, 1)
	defer c.close()
	return c.known(ctx)
}

// url is what curl calls something below the root.
func (s *server) url(scheme string, d door, name string) string {
	return scheme + "://" + s.addr[d] + s.path(d, name)
}

func putSmallDAV(name string) request {
	return request{method: http.MethodPut, path: name, body: bytes.NewReader(make([]byte, small)), status: []int{http.StatusCreated}}
}

func getSmallDAV(name string) request {
	return request{method: http.MethodGet, path: name, status: []int{http.StatusOK}}
}

// asked are the properties that file managers want.
const asked = `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/>` +
	`<D:getlastmodified/><D:creationdate/><D:getetag/><D:getcontenttype/></D:prop></D:propfind>`

func propfind(name string) request { return propfindTo("0", name) }

func propfindTo(depth, name string) request {
	return request{
		method: "PROPFIND", path: name, body: strings.NewReader(asked), status: []int{http.StatusMultiStatus},
		header: map[string]string{"Depth": depth, "Content-Type": "application/xml"},
	}
}

// davEach asks the same of many files. The connections are logged in before.
func (f *farm) davEach(z sizes, folder string, ask func(name string) request) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		if err := m.server.emptied(folder); err != nil {
			return err
		}
		c := f.dialDAV(m.server, z.requests)
		defer c.close()
		if err := c.known(ctx); err != nil {
			return err
		}
		return m.spread(ctx, z.files, z.requests, func(_, i int) error {
			return c.do(ctx, ask(path.Join(folder, numbered(i))))
		})
	}
}

// known asks once, so that the password was verified before; nginx knows no such method, but
// looks at the password first.
func (c *davClient) known(ctx context.Context) error {
	return c.do(ctx, request{method: "PROPFIND", header: map[string]string{"Depth": "0"}, status: []int{http.StatusMultiStatus, http.StatusMethodNotAllowed}})
}

// davList lists the long folder.
func (f *farm) davList(z sizes) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		c := f.dialDAV(m.server, 1)
		defer c.close()
		if err := c.known(ctx); err != nil {
			return err
		}
		hrefs := &occurrences{of: []byte("href>")}
		ask := propfindTo("1", listFolder+"/")
		ask.into = hrefs
		if err := m.begin(ctx); err != nil {
			return err
		}
		if err := c.do(ctx, ask); err != nil {
			return err
		}
		if hrefs.found != 2*(z.entries+1) { // each begins and ends; the folder itself is one
			return fmt.Errorf("%d entries of %d", hrefs.found/2-1, z.entries)
		}
		return m.end(ctx, 1)
	}
}

// davRanges reads pieces of the large file, far from one another.
func (f *farm) davRanges(z sizes) func(context.Context, *meter) error {
	const piece = 64 << 10
	return func(ctx context.Context, m *meter) error {
		c := f.dialDAV(m.server, z.conns)
		defer c.close()
		if err := c.known(ctx); err != nil {
			return err
		}
		pieces := z.large / piece
		return m.spread(ctx, z.files, z.conns, func(_, i int) error {
			from := int64(i) * 7919 % pieces * piece
			return c.do(ctx, request{
				method: http.MethodGet, path: bigFile, status: []int{http.StatusPartialContent},
				header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, from+piece-1)},
			})
		})
	}
}
