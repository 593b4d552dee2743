package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// errFull is what a step ends with that a quota refused.
var errFull = errors.New("the quota is exceeded")

// A client makes steps in one folder of an account, over one door.
type client interface {
	do(s step) error
	close()
}

// patience bounds whatever a client waits for.
const patience = 30 * time.Second

// overSFTP logs in with a key.
func overSFTP(addr, account, folder string, key ssh.Signer, host ssh.HostKeyCallback) (client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(4 * patience))
	c, channels, requests, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: host,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	files, err := pkgsftp.NewClient(ssh.NewClient(c, channels, requests))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &sftpClient{conn: conn, files: files, folder: folder}, nil
}

type sftpClient struct {
	conn   net.Conn
	files  *pkgsftp.Client
	folder string
}

func (c *sftpClient) close() { _ = c.conn.Close() }

func (c *sftpClient) do(s step) error {
	err := c.try(s, path.Join(c.folder, s.name), path.Join(c.folder, s.to))
	if err != nil && strings.Contains(err.Error(), "quota exceeded") {
		return errors.Join(errFull, err)
	}
	return err
}

func (c *sftpClient) try(s step, name, to string) error {
	switch s.verb {
	case put:
		return c.write(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, s)
	case resume:
		return c.write(name, os.O_WRONLY, s)
	case scatter:
		return c.scatter(name, s)
	case discard:
		if err := c.files.Remove(name); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	case truncate:
		return c.files.Truncate(name, int64(s.piece.most))
	case remove:
		return c.files.Remove(name)
	case mkdir:
		return c.files.Mkdir(name)
	case rmdir:
		return c.files.RemoveDirectory(name)
	case move:
		return c.files.PosixRename(name, to)
	}
	return fmt.Errorf("no %s over SFTP", s.verb)
}

func (c *sftpClient) write(name string, flags int, s step) error {
	f, err := c.files.OpenFile(name, flags)
	if err != nil {
		return err
	}
	content := bytesOf(s.piece.upload, s.piece.most)
	_, err = f.WriteAt(content[s.from:], int64(s.from))
	return errors.Join(err, f.Close())
}

// scatter writes the pieces of a file's rest in an order that its number makes.
func (c *sftpClient) scatter(name string, s step) error {
	f, err := c.files.OpenFile(name, os.O_WRONLY)
	if err != nil {
		return err
	}
	content := bytesOf(s.piece.upload, s.piece.most)
	var offsets []int
	const size = 5000
	for at := s.from; at < len(content); at += size {
		offsets = append(offsets, at)
	}
	for _, i := range rand.New(rand.NewPCG(s.piece.upload, uint64(s.from))).Perm(len(offsets)) {
		at := offsets[i]
		if _, err = f.WriteAt(content[at:min(at+size, len(content))], int64(at)); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close())
}

// overFTP logs in with a password, in clear.
func overFTP(addr, account, folder, password string) (client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(4 * patience))
	c := &ftpClient{text: textproto.NewConn(conn), folder: folder}
	_, _, err = c.text.ReadResponse(2)
	if err == nil {
		_, err = c.ask(3, "USER %s", account)
	}
	if err == nil {
		_, err = c.ask(2, "PASS %s", password)
	}
	if err == nil {
		_, err = c.ask(2, "TYPE I")
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

type ftpClient struct {
	text    *textproto.Conn
	folder  string
	address net.IP // of data connections; nil takes any
}

func (c *ftpClient) close() { _ = c.text.Close() }

func (c *ftpClient) ask(want int, format string, args ...any) (string, error) {
	if err := c.text.PrintfLine(format, args...); err != nil {
		return "", err
	}
	return c.answer(want)
}

func (c *ftpClient) answer(want int) (string, error) {
	code, text, err := c.text.ReadResponse(want)
	if code == 552 {
		err = errors.Join(errFull, err)
	}
	return text, err
}

func (c *ftpClient) do(s step) error {
	name, to := path.Join(c.folder, s.name), path.Join(c.folder, s.to)
	var err error
	switch s.verb {
	case put, resume:
		return c.store(s, name)
	case remove:
		_, err = c.ask(2, "DELE %s", name)
	case discard:
		_, err = c.ask(2, "DELE %s", name)
		if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code == 550 {
			err = nil
		}
	case mkdir:
		_, err = c.ask(2, "MKD %s", name)
	case rmdir:
		_, err = c.ask(2, "RMD %s", name)
	case move:
		if _, err = c.ask(3, "RNFR %s", name); err == nil {
			_, err = c.ask(2, "RNTO %s", to)
		}
	default:
		err = fmt.Errorf("no %s over FTP", s.verb)
	}
	return err
}

func (c *ftpClient) store(s step, name string) error {
	data, err := c.prepare()
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	_ = data.SetDeadline(time.Now().Add(patience))
	if s.from > 0 {
		if _, err = c.ask(3, "REST %d", s.from); err != nil {
			return err
		}
	}
	if _, err = c.ask(1, "STOR %s", name); err != nil {
		return err
	}
	_, err = data.Write(bytesOf(s.piece.upload, s.piece.most)[s.from:])
	err = errors.Join(err, data.Close())
	if _, answer := c.answer(2); answer != nil {
		return answer
	}
	return err
}

// overDAV gives each request a password.
func overDAV(addr, account, folder, password string) (*davClient, error) {
	c := &davClient{
		base: url.URL{Scheme: "http", Host: addr}, folder: folder, account: account, password: password,
		http: &http.Client{Timeout: patience, Transport: &http.Transport{}},
	}
	err := c.ask("PROPFIND", "", nil, map[string]string{"Depth": "0"})
	if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusMultiStatus {
		return c, nil
	}
	return nil, fmt.Errorf("the first request: %w", err)
}

type davClient struct {
	base                      url.URL
	folder, account, password string
	http                      *http.Client
}

func (c *davClient) close() { c.http.CloseIdleConnections() }

func (c *davClient) at(name string) string {
	u := c.base
	u.Path = path.Join("/dav", c.folder, name)
	return u.String()
}

func (c *davClient) do(s step) error {
	switch s.verb {
	case put:
		return c.ask(http.MethodPut, s.name, bytes.NewReader(bytesOf(s.piece.upload, s.piece.most)), nil)
	case remove, removeAll:
		return c.ask(http.MethodDelete, s.name, nil, nil)
	case discard:
		err := c.ask(http.MethodDelete, s.name, nil, nil)
		if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusNotFound {
			err = nil
		}
		return err
	case mkdir:
		return c.ask("MKCOL", s.name, nil, nil)
	case move, duplicate:
		return c.ask(strings.ToUpper(s.verb), s.name, nil, map[string]string{"Destination": c.at(s.to), "Overwrite": "T"})
	}
	return fmt.Errorf("no %s over WebDAV", s.verb)
}

func (c *davClient) ask(method, name string, body io.Reader, header map[string]string) error {
	req, err := http.NewRequest(method, c.at(name), body)
	if err != nil {
		return err
	}
	req.SetBasicAuth(c.account, c.password)
	for key, value := range header {
		req.Header.Set(key, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode == http.StatusInsufficientStorage:
		return errors.Join(errFull, &statusError{resp.StatusCode, string(text)})
	case resp.StatusCode >= 300 || resp.StatusCode == http.StatusMultiStatus: // of a change, some of it failed
		return &statusError{resp.StatusCode, string(text)}
	}
	return err
}
