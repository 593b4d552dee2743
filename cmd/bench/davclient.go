package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A davClient asks over connections that stay open.
type davClient struct {
	server *server
	http   *http.Client
	ctx    context.Context // of a session
}

// dialDAV arranges so many connections, which are opened as they are needed.
func (f *farm) dialDAV(s *server, conns int) *davClient {
	return &davClient{server: s, http: &http.Client{Transport: &http.Transport{
		MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns, IdleConnTimeout: time.Minute, DisableCompression: true,
		ReadBufferSize: 64 << 10,
	}}}
}

// anyDAV is a client with one connection, that has logged in.
func (f *farm) anyDAV(ctx context.Context, s *server) (session, error) {
	c := f.dialDAV(s, 1)
	c.ctx = ctx
	return c, c.known(ctx)
}

func (c *davClient) upload(name string, bytes int64) error {
	return c.do(c.ctx, request{
		method: http.MethodPut, path: name, body: io.LimitReader(zeros{}, bytes), length: bytes,
		status: []int{http.StatusCreated, http.StatusNoContent},
	})
}

func (c *davClient) download(name string, _ int64) error {
	return c.do(c.ctx, request{method: http.MethodGet, path: name, status: []int{http.StatusOK}})
}

func (c *davClient) close() { c.http.CloseIdleConnections() }

// A request is what is asked, and how it must be answered.
type request struct {
	method, path string
	header       map[string]string
	body         io.Reader // nil: there is none
	length       int64     // of a body that net/http cannot ask
	status       []int
	into         io.Writer // what is answered; nil: nobody looks
}

// do asks, and reads the answer to its end.
func (c *davClient) do(ctx context.Context, r request) error {
	req, err := http.NewRequestWithContext(ctx, r.method, "http://"+c.server.addr[overHTTP]+c.server.path(overHTTP, r.path), r.body)
	if err != nil {
		return err
	}
	if r.length > 0 {
		req.ContentLength = r.length
	}
	req.SetBasicAuth(c.server.user, c.server.password)
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	into := r.into
	if into == nil {
		into = io.Discard
	}
	_, err = io.Copy(into, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	for _, status := range r.status {
		if resp.StatusCode == status {
			return nil
		}
	}
	return fmt.Errorf("%s %s: %s", r.method, r.path, resp.Status)
}
