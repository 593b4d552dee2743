package local

import (
	"context"
	"errors"
	"io"
	"io/fs"

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
	f, err := newFile(fd, p)
	if err != nil {
		return nil, pathError("list", p, err)
	}
	return &dir{file: f}, nil
}

type dir struct{ file *file }

func (d *dir) Close() error { return d.file.Close() }

// Next describes each entry through the open folder, so that nothing that
// happens to the folder's own path leads elsewhere.
func (d *dir) Next(n int) ([]backend.Info, error) {
	if n <= 0 {
		return nil, pathError("list", d.file.path, fs.ErrInvalid)
	}
	for {
		names, err := d.file.os.Readdirnames(n)
		if err != nil && err != io.EOF {
			return nil, pathError("list", d.file.path, err)
		}
		if len(names) == 0 {
			return nil, io.EOF
		}
		infos, err := d.describe(names)
		if err != nil {
			return nil, pathError("list", d.file.path, err)
		}
		if len(infos) > 0 {
			return infos, nil
		}
	}
}

// describe leaves out what has vanished and what no path can name.
func (d *dir) describe(names []string) ([]backend.Info, error) {
	infos := make([]backend.Info, 0, len(names))
	err := d.file.control(func(fd int) error {
		var st unix.Stat_t
		for _, name := range names {
			if path.ValidName(name) != nil {
				continue
			}
			err := again(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
			if errors.Is(err, unix.ENOENT) {
				continue
			}
			if err != nil {
				return err
			}
			infos = append(infos, info(name, &st))
		}
		return nil
	})
	return infos, err
}
