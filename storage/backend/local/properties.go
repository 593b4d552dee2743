package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// attribute is the one extended attribute that holds all properties of a file,
// so that they are replaced together or not at all.
const attribute = "user.gatehouse.properties"

// propertiesVersion begins the encoding: then, for each property in order of
// name, name and value, each after its length as an unsigned varint.
const propertiesVersion = 1

var errDamaged = errors.New("the properties on disk cannot be read")

// Properties returns the properties of a file or folder; none where the file
// system has no extended attributes.
func (b *Backend) Properties(ctx context.Context, p path.Path) (props map[string][]byte, err error) {
	err = b.opened(ctx, "getproperties", p, func(fd int) (err error) {
		props, err = properties(fd)
		return err
	})
	return props, err
}

// SetProperties replaces the properties of a file or folder.
func (b *Backend) SetProperties(ctx context.Context, p path.Path, props map[string][]byte) error {
	return b.opened(ctx, "setproperties", p, func(fd int) error { return setProperties(fd, props) })
}

// opened runs do on a readable descriptor of the file or folder p: extended
// attributes are out of an O_PATH descriptor's reach. It is looked at first,
// since opening a device may do things.
func (b *Backend) opened(ctx context.Context, op string, p path.Path, do func(fd int) error) error {
	probe, st, err := b.known(ctx, op, p)
	if err != nil {
		return err
	}
	unix.Close(probe)
	if err := changeable(st); err != nil {
		return pathError(op, p, err)
	}
	fd, err := b.at(p, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return pathError(op, p, err)
	}
	defer unix.Close(fd)
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return pathError(op, p, err)
	}
	if err := changeable(&now); err != nil {
		return pathError(op, p, err)
	}
	return pathError(op, p, do(fd))
}

func properties(fd int) (map[string][]byte, error) {
	buf := make([]byte, 1024)
	for {
		n, err := retry(func() (int, error) { return unix.Fgetxattr(fd, attribute, buf) })
		switch {
		case err == nil:
			return decode(buf[:n])
		case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
			return nil, nil
		case errors.Is(err, unix.ERANGE) && len(buf) < 1<<20:
			buf = make([]byte, 4*len(buf))
		default:
			return nil, err
		}
	}
}

// propertiesOf is properties for a path of the machine, whose last element is
// not followed. What is larger than most is ERANGE.
func propertiesOf(name string) (map[string][]byte, error) {
	var buf [1024]byte
	n, err := retry(func() (int, error) { return unix.Lgetxattr(name, attribute, buf[:]) })
	switch {
	case err == nil:
		return decode(bytes.Clone(buf[:n]))
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil
	}
	return nil, err
}

func setProperties(fd int, props map[string][]byte) error {
	if len(props) == 0 {
		err := again(func() error { return unix.Fremovexattr(fd, attribute) })
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil
		}
		return err
	}
	err := again(func() error { return unix.Fsetxattr(fd, attribute, encode(props), 0) })
	if errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ERANGE) {
		return backend.ErrNoSpace
	}
	return err
}

func (b *Backend) keepsProperties() bool {
	fd, err := b.at(path.Root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_, err = unix.Fgetxattr(fd, attribute, nil)
	return err == nil || errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ERANGE)
}

func encode(props map[string][]byte) []byte {
	out := []byte{propertiesVersion}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		out = binary.AppendUvarint(out, uint64(len(name)))
		out = append(out, name...)
		out = binary.AppendUvarint(out, uint64(len(props[name])))
		out = append(out, props[name]...)
	}
	return out
}

func decode(in []byte) (map[string][]byte, error) {
	if len(in) == 0 || in[0] != propertiesVersion {
		return nil, errDamaged
	}
	props := make(map[string][]byte)
	for in = in[1:]; len(in) > 0; {
		name, rest, ok := cut(in)
		if !ok {
			return nil, errDamaged
		}
		value, rest, ok := cut(rest)
		if !ok {
			return nil, errDamaged
		}
		props[string(name)], in = value, rest
	}
	return props, nil
}

// cut takes one counted string off in.
func cut(in []byte) (s, rest []byte, ok bool) {
	n, size := binary.Uvarint(in)
	if size <= 0 || n > uint64(len(in)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return in[size:end:end], in[end:], true
}
