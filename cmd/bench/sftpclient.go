package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// cipher is that of all SSH connections: the cheapest that all servers have.
const cipher = "aes128-gcm@openssh.com"

// A sftpSession is a client of SFTP.
type sftpSession struct {
	server *server
	conn   *ssh.Client
	client *sftp.Client
	stop   func() bool
}

// dialSFTP logs in with the key. The connection ends with the context.
func (f *farm) dialSFTP(ctx context.Context, s *server) (*sftpSession, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", s.addr[overSFTP])
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	config := &ssh.ClientConfig{
		User: s.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(f.signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	}
	config.Ciphers = []string{cipher}
	sc, channels, requests, err := ssh.NewClientConn(nc, s.addr[overSFTP], config)
	if err != nil {
		stop()
		return nil, errors.Join(err, nc.Close())
	}
	conn := ssh.NewClient(sc, channels, requests)
	client, err := sftp.NewClient(conn)
	if err != nil {
		stop()
		return nil, errors.Join(err, conn.Close())
	}
	return &sftpSession{s, conn, client, stop}, nil
}

// anySFTP is dialSFTP for who does not care which door it is.
func (f *farm) anySFTP(ctx context.Context, s *server) (session, error) { return f.dialSFTP(ctx, s) }

func (c *sftpSession) close() {
	c.stop()
	_ = c.client.Close()
	_ = c.conn.Close()
}

func (c *sftpSession) upload(name string, bytes int64) error {
	file, err := c.client.OpenFile(c.server.path(overSFTP, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = file.ReadFromWithConcurrency(io.LimitReader(zeros{}, bytes), 16)
	return errors.Join(err, file.Close())
}

func (c *sftpSession) download(name string, bytes int64) error {
	file, err := c.client.Open(c.server.path(overSFTP, name))
	if err != nil {
		return err
	}
	n, err := file.WriteTo(io.Discard)
	if err == nil && n != bytes {
		err = fmt.Errorf("%d bytes of %d", n, bytes)
	}
	return errors.Join(err, file.Close())
}

// zeros is without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
