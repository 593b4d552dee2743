package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/pkg/sftp"
)

// sftpWorks are the rows of SFTP.
func (f *farm) sftpWorks(z sizes) []*work {
	peers := []string{"sshd"}
	row := func(name, title string, u unit, run func(context.Context, *meter) error, goals ...goal) *work {
		return &work{name: "sftp-" + name, title: "SFTP " + title, door: overSFTP, unit: u, servers: peers, run: run, goals: goals}
	}
	big, files, list := f.holdsBig, holds(fileFolder, z.files, small), holds(listFolder, z.entries, 0)
	with := func(w *work, prepare func(context.Context, *server) error) *work { w.prepare = prepare; return w }
	disk := func(w *work) *work { w.onDisk = true; return w }
	anew := func(w *work) *work { w.anew = true; return w }
	return []*work{
		with(row("get", "download, OpenSSH", gibibytes, f.sftpGet(z), cpuOf(0.80, peers...), rateOf(1, peers...)), big),
		row("put", "upload, OpenSSH", gibibytes, f.sftpPut(z), cpuOf(0.95, peers...), rateOf(1, peers...)),
		with(row("get-32k", "download, 32 KiB requests", gibibytes, f.sftpGet(z, "-B", "32768"), cpuOf(0.9, peers...)), big),
		row("put-32k", "upload, 32 KiB requests", gibibytes, f.sftpPut(z, "-B", "32768"), cpuOf(0.9, peers...)),
		disk(row("small-put", "4 KiB files up, 8 connections", operations, f.sftpEach(z, inFolder, putSmall), cpuOf(0.45, peers...))),
		disk(with(row("small-get", "4 KiB files down, 8 connections", operations, f.sftpEach(z, fileFolder, getSmall), cpuOf(0.45, peers...)), files)),
		with(row("stat", "stat, 8 connections", operations, f.sftpEach(z, fileFolder, statSmall), cpuOf(0.45, peers...)), files),
		with(row("list", fmt.Sprintf("list %d", z.entries), operations, f.sftpList(z), cpuOf(0.6, peers...)), list),
		row("login", "login with a key", operations, f.sftpLogins(z), cpuOf(1.1, floorName)),
		anew(row("idle", "idle session", sessions, f.idle(z, f.anySFTP), memoryOf(1, floorName))),
		anew(row("rest", "session at rest after a transfer", sessions, f.rested(z, f.anySFTP), memoryOf(1, floorName))),
	}
}

// sftpGet downloads the large file with OpenSSH's client.
func (f *farm) sftpGet(z sizes, options ...string) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		return f.download(ctx, m, z, func(to string) error {
			return f.openSSH(ctx, m.server, "get "+m.server.path(overSFTP, bigFile)+" "+to, options...)
		})
	}
}

// sftpPut uploads it.
func (f *farm) sftpPut(z sizes, options ...string) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		return f.upload(ctx, m, z, func() error {
			return f.openSSH(ctx, m.server, "put "+f.source()+" "+m.server.path(overSFTP, uploaded), options...)
		})
	}
}

// A deed is one operation on one small file, whose name the client knows.
type deed func(c *sftp.Client, name string) error

func putSmall(c *sftp.Client, name string) error {
	file, err := c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err := file.Write(make([]byte, small)); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

func getSmall(c *sftp.Client, name string) error {
	file, err := c.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	buf := make([]byte, 2*small)
	n, err := io.ReadFull(file, buf)
	if err != io.ErrUnexpectedEOF || n != small {
		return fmt.Errorf("%d bytes of %s: %w", n, name, err)
	}
	return nil
}

func statSmall(c *sftp.Client, name string) error {
	info, err := c.Stat(name)
	if err == nil && info.Size() != small {
		err = fmt.Errorf("%s has %d bytes", name, info.Size())
	}
	return err
}

// sftpEach does the same to many files, over connections that are open already.
func (f *farm) sftpEach(z sizes, folder string, do deed) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		if err := m.server.emptied(folder); err != nil {
			return err
		}
		clients, err := openAll(z.conns, func() (*sftpSession, error) { return f.dialSFTP(ctx, m.server) })
		defer closeAll(clients)
		if err != nil {
			return err
		}
		return m.spread(ctx, z.files, len(clients), func(who, i int) error {
			return do(clients[who].client, path.Join(m.server.path(overSFTP, folder), numbered(i)))
		})
	}
}

// sftpList lists the long folder.
func (f *farm) sftpList(z sizes) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		s, err := f.dialSFTP(ctx, m.server)
		if err != nil {
			return err
		}
		defer s.close()
		if err := m.begin(ctx); err != nil {
			return err
		}
		infos, err := s.client.ReadDir(m.server.path(overSFTP, listFolder))
		if err != nil {
			return err
		}
		if len(infos) != z.entries {
			return fmt.Errorf("%d entries of %d", len(infos), z.entries)
		}
		return m.end(ctx, 1)
	}
}

// sftpLogins are logins one after the other, each to the first answer of SFTP.
func (f *farm) sftpLogins(z sizes) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		return m.spread(ctx, z.logins, 1, func(int, int) error {
			s, err := f.dialSFTP(ctx, m.server)
			if err != nil {
				return err
			}
			s.close()
			return nil
		})
	}
}
