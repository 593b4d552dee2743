package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// ftpWorks are the rows of FTP.
func (f *farm) ftpWorks(z sizes) []*work {
	both := []string{"vsftpd", "proftpd"}
	row := func(name, title string, u unit, run func(context.Context, *meter) error, goals ...goal) *work {
		return &work{name: name, title: title, door: overFTP, unit: u, servers: both, run: run, goals: goals}
	}
	get := row("ftp-get", "FTP download", gibibytes, f.ftpGet(z, f.dialFTP), cpuOf(0.8, both...))
	put := row("ftp-put", "FTP upload", gibibytes, f.ftpPut(z, f.dialFTP), cpuOf(0.9, both...))
	getTLS := row("ftps-get", "FTPS download", gibibytes, f.ftpGet(z, f.dialFTPS), cpuOf(0.6, both...))
	putTLS := row("ftps-put", "FTPS upload", gibibytes, f.ftpPut(z, f.dialFTPS), cpuOf(0.75, both...))
	smallPut := row("ftp-small-put", "FTP 4 KiB files up, 8 connections", operations, f.ftpEach(z, inFolder, ftpPutSmall), cpuOf(0.5, "proftpd"))
	smallGet := row("ftp-small-get", "FTP 4 KiB files down, 8 connections", operations, f.ftpEach(z, fileFolder, ftpGetSmall), cpuOf(0.5, "proftpd"))
	list := row("ftp-list", fmt.Sprintf("FTP LIST %d", z.entries), operations, f.ftpList(z, "LIST"), cpuOf(1.1, "vsftpd"))
	mlsd := row("ftp-mlsd", fmt.Sprintf("FTP MLSD %d", z.entries), operations, f.ftpList(z, "MLSD"), cpuOf(0.1, "proftpd"))
	idle := row("ftp-idle", "FTP idle session", sessions, f.idle(z, f.anyFTP), memoryOf(0.1, "vsftpd"))
	rest := row("ftp-rest", "FTP session at rest after a transfer", sessions, f.rested(z, f.anyFTP), memoryOf(0.1, "vsftpd"))
	mlsd.servers = []string{"proftpd"} // vsftpd has no MLSD
	get.prepare, getTLS.prepare = f.holdsBig, f.holdsBig
	smallGet.prepare = holds(fileFolder, z.files, small)
	list.prepare = holds(listFolder, z.entries, 0)
	mlsd.prepare = list.prepare
	smallPut.onDisk, smallGet.onDisk = true, true
	idle.anew, rest.anew = true, true
	return []*work{get, put, getTLS, putTLS, smallPut, smallGet, list, mlsd, idle, rest}
}

// A ftpDialer logs in, in the clear or over TLS.
type ftpDialer func(context.Context, *server) (*ftpSession, error)

// ftpGet downloads the large file. The login is not measured: its password hash
// costs as much as a transfer.
func (f *farm) ftpGet(z sizes, dial ftpDialer) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		c, err := dial(ctx, m.server)
		if err != nil {
			return err
		}
		defer c.close()
		return f.download(ctx, m, z, func(name string) error {
			to, err := os.Create(name)
			if err != nil {
				return err
			}
			n, err := c.get("RETR "+m.server.path(overFTP, bigFile), to)
			if err == nil && n != z.large {
				err = fmt.Errorf("%d bytes of %d", n, z.large)
			}
			return errors.Join(err, to.Close())
		})
	}
}

// ftpPut uploads it.
func (f *farm) ftpPut(z sizes, dial ftpDialer) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		c, err := dial(ctx, m.server)
		if err != nil {
			return err
		}
		defer c.close()
		return f.upload(ctx, m, z, func() error {
			from, err := os.Open(f.source())
			if err != nil {
				return err
			}
			return errors.Join(c.put(m.server.path(overFTP, uploaded), onlyReader{from}), from.Close())
		})
	}
}

func ftpPutSmall(c *ftpSession, name string) error {
	return c.put(name, bytes.NewReader(make([]byte, small)))
}

func ftpGetSmall(c *ftpSession, name string) error {
	n, err := c.get("RETR "+name, io.Discard)
	if err == nil && n != small {
		err = fmt.Errorf("%d bytes of %s", n, name)
	}
	return err
}

// ftpEach does the same to many files, over connections that are open already.
func (f *farm) ftpEach(z sizes, folder string, do func(*ftpSession, string) error) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		if err := m.server.emptied(folder); err != nil {
			return err
		}
		clients, err := openAll(z.conns, func() (*ftpSession, error) { return f.dialFTP(ctx, m.server) })
		defer closeAll(clients)
		if err != nil {
			return err
		}
		return m.spread(ctx, z.files, len(clients), func(who, i int) error {
			return do(clients[who], path.Join(m.server.path(overFTP, folder), numbered(i)))
		})
	}
}

// ftpList lists the long folder.
func (f *farm) ftpList(z sizes, verb string) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		c, err := f.dialFTP(ctx, m.server)
		if err != nil {
			return err
		}
		defer c.close()
		names := &occurrences{of: []byte("file-")}
		if err := m.begin(ctx); err != nil {
			return err
		}
		if _, err := c.get(verb+" "+m.server.path(overFTP, listFolder), names); err != nil {
			return err
		}
		if names.found != z.entries {
			return fmt.Errorf("%d entries of %d", names.found, z.entries)
		}
		return m.end(ctx, 1)
	}
}
