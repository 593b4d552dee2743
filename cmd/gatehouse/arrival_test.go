package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
)

// An arrival is an upload of which half has arrived.
type arrival struct {
	account, door, name string
	piece               piece
	finish              func() error // sends the rest and waits for the answer
	leave               func()
}

// atomic reports whether an upload appears whole or not at all.
func (a *arrival) atomic() bool { return a.door == "HTTP" }

// begin sends half of an upload.
func (f *fleet) begin(account, door, name string, p piece) (*arrival, error) {
	a := &arrival{account: account, door: door, name: name, piece: p}
	c, err := f.visit(account, door, "/")
	if err != nil {
		return nil, fmt.Errorf("%s over %s: %w", account, door, err)
	}
	a.leave = c.close
	content := bytesOf(p.upload, p.most)
	head, tail := content[:len(content)/2], content[len(content)/2:]
	switch c := c.(type) {
	case *sftpClient:
		a.finish, err = c.half(path.Join("/", name), head, tail)
	case *ftpClient:
		a.finish, err = c.half(path.Join("/", name), head, tail)
	case *davClient:
		a.finish, err = c.half(name, head, tail)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s over %s: %w", account, door, err)
	}
	return a, nil
}

func (c *sftpClient) half(name string, head, tail []byte) (func() error, error) {
	file, err := c.files.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err == nil {
		_, err = file.WriteAt(head, 0)
	}
	return func() error {
		_, err := file.WriteAt(tail, int64(len(head)))
		return errors.Join(err, file.Close())
	}, err
}

func (c *ftpClient) half(name string, head, tail []byte) (func() error, error) {
	data, err := c.prepare()
	if err == nil {
		_, err = c.ask(1, "STOR %s", name)
	}
	if err == nil {
		_, err = data.Write(head)
	}
	return func() error {
		_, err := data.Write(tail)
		err = errors.Join(err, data.(*net.TCPConn).CloseWrite())
		_, answer := c.answer(2)
		return errors.Join(err, answer, data.Close())
	}, err
}

func (c *davClient) half(name string, head, tail []byte) (func() error, error) {
	body, rest := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.ask(http.MethodPut, name, body, nil) }()
	sent := make(chan error, 1)
	go func() { _, err := io.Copy(rest, bytes.NewReader(head)); sent <- err }()
	select {
	case err := <-done: // refused
		return nil, errors.Join(errors.New("it ended early"), err)
	case err := <-sent:
		if err != nil {
			return nil, err
		}
	}
	return func() error {
		_, err := rest.Write(tail)
		_ = rest.Close()
		return errors.Join(err, <-done)
	}, nil
}

// became asks what of an upload is there: all of it where it was confirmed, else
// no more than what was sent, from the first byte on.
func (f *fleet) became(a *arrival, err error) error {
	content, missing := os.ReadFile(f.nodes[0].files("home/" + a.account + "/" + a.name))
	want := bytesOf(a.piece.upload, a.piece.most)
	switch {
	case err == nil && !bytes.Equal(content, want):
		return fmt.Errorf("%s over %s was confirmed, and %d bytes of %d are there, %v", a.name, a.door, len(content), len(want), missing)
	case missing == nil && !bytes.HasPrefix(want, content):
		return fmt.Errorf("%s over %s was not confirmed, and the %d bytes that are there were not sent", a.name, a.door, len(content))
	case missing == nil && a.atomic() && len(content) != len(want):
		return fmt.Errorf("%s over %s was not confirmed, and a part of it is there", a.name, a.door)
	}
	return nil
}
