package ftp

import (
	"crypto/tls"
	"net"
	"os"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"
	"github.com/spf13/afero"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// driver is a connection as the library's own server for it sees it.
type driver struct{ c *conn }

// GetSettings turns off what the screen does itself.
func (d driver) GetSettings() (*ftpserver.Settings, error) {
	return &ftpserver.Settings{
		Listener:            &only{c: d.c},
		IdleTimeout:         -1,
		ConnectionTimeout:   int(d.c.server.config.Limits.Accept/time.Second) + 1,
		DefaultTransferType: ftpserver.TransferTypeBinary,
		DisableActiveMode:   true,
		DisableSite:         true,
		DisableLISTArgs:     true,
		DisableMLSD:         true,
		DisableMLST:         true,
		DisableSTAT:         true,
	}, nil
}

// ClientConnected greets.
func (d driver) ClientConnected(cc ftpserver.ClientContext) (string, error) {
	d.c.library = cc
	return d.c.server.config.Name + " ready", nil
}

// ClientDisconnected closes what the library may still wait for.
func (d driver) ClientDisconnected(ftpserver.ClientContext) { d.c.close() }

// AuthUser logs in with what the screen has kept; the library's name and
// password are placeholders.
func (d driver) AuthUser(ftpserver.ClientContext, string, string) (_ ftpserver.ClientDriver, err error) {
	if err := d.c.do(d.c.login); err != nil {
		return nil, err
	}
	return files(d), nil
}

// GetTLSConfig has none: TLS is the screen's.
func (d driver) GetTLSConfig() (*tls.Config, error) { return nil, errNoCertificate }

// WrapPassiveListener gives the library the source that the screen prepared.
func (d driver) WrapPassiveListener(l net.Listener) (net.Listener, error) {
	if err := hush(l); err != nil {
		d.c.log.Debug("closing the library's own passive port", "err", err)
	}
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if d.c.pending == nil {
		return nil, errNoData
	}
	d.c.pending.own(l)
	return d.c.pending, nil
}

// do runs a command's work on files; the screen answers with its error.
func (c *conn) do(work func() error) (err error) {
	defer func() {
		if err != nil {
			c.err = err
		}
	}()
	defer c.contain(&err)
	return work()
}

// files is a session's file system as the library asks for it: what the screen
// lets through, and nothing else. Paths come parsed.
type files struct{ c *conn }

var (
	_ afero.Fs                                      = files{}
	_ ftpserver.ClientDriverExtentionFileTransfer   = files{}
	_ ftpserver.ClientDriverExtensionRemoveDir      = files{}
	_ ftpserver.ClientDriverExtensionAvailableSpace = files{}
	_ ftpserver.ClientDriverExtensionAllocate       = files{}
	_ ftpserver.MainDriverExtensionPassiveWrapper   = driver{}
)

func (f files) fs() *session.FS { return f.c.loggedIn().FS() }

// on runs work on a path.
func (f files) on(name string, work func(p path.Path) error) error {
	return f.c.do(func() error {
		p, err := path.Parse(name)
		if err != nil {
			return err
		}
		return work(p)
	})
}

// GetHandle opens what the transfer that runs is to move.
func (f files) GetHandle(string, int, int64) (h ftpserver.FileTransfer, err error) {
	t := f.c.running()
	if t == nil {
		return nil, errOrder
	}
	defer f.c.contain(&err)
	h, err = t.open()
	if err != nil {
		return nil, t.note(err)
	}
	return h, nil
}

// Stat describes what a link leads to.
func (f files) Stat(name string) (info os.FileInfo, err error) {
	err = f.on(name, func(p path.Path) error {
		found, err := f.fs().Stat(f.c.ctx, p)
		info = found
		return err
	})
	return info, err
}

// Mkdir makes a folder, with the mount's own mode.
func (f files) Mkdir(name string, _ os.FileMode) error {
	return f.on(name, func(p path.Path) error { return f.fs().Mkdir(f.c.ctx, p, 0) })
}

// Remove removes a file or link.
func (f files) Remove(name string) error {
	return f.on(name, func(p path.Path) error { return f.fs().Remove(f.c.ctx, p) })
}

// RemoveDir removes an empty folder.
func (f files) RemoveDir(name string) error {
	return f.on(name, func(p path.Path) error { return f.fs().RemoveDir(f.c.ctx, p) })
}

// Rename moves a file or tree; a file may replace a file, as rename(2) has it.
func (f files) Rename(from, to string) error {
	return f.on(from, func(p path.Path) error {
		q, err := path.Parse(to)
		if err != nil {
			return err
		}
		return f.fs().Rename(f.c.ctx, p, q, session.ReplaceFile)
	})
}

// Chtimes sets when a file was modified.
func (f files) Chtimes(name string, _, modified time.Time) error {
	return f.on(name, func(p path.Path) error {
		return f.fs().SetAttr(f.c.ctx, p, session.Attr{Modified: &modified})
	})
}

// GetAvailableSpace is what may still be written below a folder.
func (f files) GetAvailableSpace(name string) (free int64, err error) {
	err = f.on(name, func(p path.Path) error {
		free, err = f.room(p)
		return err
	})
	return free, err
}

// AllocateSpace refuses what there is no room for, before it is sent.
func (f files) AllocateSpace(size int) error {
	return f.on(f.c.library.Path(), func(p path.Path) error {
		if err := f.fs().Announced(int64(size)); err != nil {
			return err
		}
		free, err := f.room(p)
		if err != nil {
			return err
		}
		if int64(size) > free {
			return session.ErrExceeded
		}
		f.c.announced = int64(size)
		return nil
	})
}

// room is what is left below p; unlimited never reads as zero.
func (f files) room(p path.Path) (int64, error) {
	space, err := f.fs().Space(f.c.ctx, p)
	if err != nil {
		return 0, err
	}
	return freeBytes(space), nil
}

func freeBytes(s session.Space) int64 {
	if s.FreeBytes < 0 {
		return unlimited
	}
	return s.FreeBytes
}

// What the library asks for in no command that passes the screen.

func (f files) refuse() error { return f.c.do(func() error { return errNotOffered }) }

// Create is not offered: see GetHandle.
func (f files) Create(string) (afero.File, error) { return nil, f.refuse() }

// Open is not offered: see GetHandle.
func (f files) Open(string) (afero.File, error) { return nil, f.refuse() }

// OpenFile is not offered: see GetHandle.
func (f files) OpenFile(string, int, os.FileMode) (afero.File, error) { return nil, f.refuse() }

// MkdirAll is not offered.
func (f files) MkdirAll(string, os.FileMode) error { return f.refuse() }

// RemoveAll is not offered.
func (f files) RemoveAll(string) error { return f.refuse() }

// Chmod is not offered: SITE is the screen's.
func (f files) Chmod(string, os.FileMode) error { return f.refuse() }

// Chown is not offered.
func (f files) Chown(string, int, int) error { return f.refuse() }

// Name names the file system.
func (f files) Name() string { return "gatehouse" }
