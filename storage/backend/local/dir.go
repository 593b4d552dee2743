package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// List opens a folder for reading its entries.
func (b *Backend) List(ctx context.Context, p path.Path) (backend.Dir, error) {
	fd, err := b.folder(ctx, "list", p)
	if err != nil {
		return nil, err
	}
	return &dir{file: newFile(fd, p), names: names{pool: &b.names}}, nil
}

type dir struct {
	file  *file
	names names
	infos []backend.Info
}

func (d *dir) Close() error {
	d.names.giveBack()
	return d.file.Close()
}

// Next describes each entry through the open folder, so that nothing that
// happens to the folder's own path leads elsewhere.
func (d *dir) Next(n int) ([]backend.Info, error) {
	if n <= 0 {
		return nil, pathError("list", d.file.path, fs.ErrInvalid)
	}
	for {
		more := false
		err := d.file.control(func(fd int) (err error) {
			if more, err = d.names.fill(fd); more {
				piece, count := d.names.take(n)
				err = d.describe(fd, piece, count)
			}
			return err
		})
		if err != nil {
			return nil, pathError("list", d.file.path, err)
		}
		if !more {
			return nil, io.EOF
		}
		if len(d.infos) > 0 {
			return d.infos, nil
		}
	}
}

// describe leaves out what has vanished and what no path can name.
func (d *dir) describe(fd int, piece string, count int) error {
	d.infos = slices.Grow(d.infos[:0], count)
	var st unix.Stat_t
	for name := range entries(piece) {
		if path.ValidName(name) != nil {
			continue
		}
		err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.EINTR || err == unix.EAGAIN || err == unix.ESTALE {
			err = again(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
		}
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		d.infos = append(d.infos, info(name, &st))
	}
	return nil
}

// Properties reads those of an entry without opening it: opening may do things,
// and costs more than all the rest.
func (d *dir) Properties(name string) (props map[string][]byte, err error) {
	if err := path.ValidName(name); err != nil {
		return nil, pathError("getproperties", d.file.path, err)
	}
	err = d.file.control(func(fd int) (err error) {
		props, err = propertiesOf(magic(fd) + "/" + name)
		return err
	})
	return props, pathError("getproperties", d.file.path, err)
}
