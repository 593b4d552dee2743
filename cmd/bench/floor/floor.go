// Package floor is the least that does a gateway's work: the same libraries over
// plain files, one user, no policy, no quota, no record of what happened. What the
// gateway costs beyond it is the price of what it promises.
package floor

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
)

// Config says what is served to whom.
type Config struct {
	Root           string // the folder of the one user
	User, Password string
	Key            string // the user's public key, a line of authorized_keys
	HostKey        string // a file with a private key
	Certificate    string // a PEM file
	CertificateKey string // a PEM file
}

// Serve opens a port of loopback for each door, prints them as the gateway does,
// and serves until the context ends.
func Serve(ctx context.Context, c Config, out io.Writer) error {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.CertificateKey)
	if err != nil {
		return err
	}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	shell, err := newSFTP(c)
	if err != nil {
		return err
	}
	files := &ftp{c, secure}
	web := newDAV(c)
	doors := []struct {
		name  string
		serve func(net.Conn)
	}{
		{"SFTP", shell.serve},
		{"FTP", files.serve},
		{"HTTP", web.serve},
		{"HTTPS", func(c net.Conn) { web.serve(tls.Server(c, secure)) }},
	}
	var open sync.WaitGroup
	for _, d := range doors {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		if _, err := fmt.Fprintf(out, "%s %s\n", d.name, l.Addr()); err != nil {
			return err
		}
		open.Go(func() { accept(l, d.serve) })
	}
	open.Wait()
	return nil
}

// accept ends when the listener is closed; what is open then ends with the
// process.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}
