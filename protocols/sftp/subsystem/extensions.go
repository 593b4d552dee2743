package subsystem

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
)

// extensions are those of OpenSSH that the version packet tells, in the
// versions that OpenSSH gives them.
func extensions() []wire.Extension {
	return []wire.Extension{
		{Name: wire.PosixRename, Version: "1"},
		{Name: wire.StatVFS, Version: "2"},
		{Name: wire.FstatVFS, Version: "2"},
		{Name: wire.Hardlink, Version: "1"},
		{Name: wire.Fsync, Version: "1"},
		{Name: wire.Lsetstat, Version: "1"},
		{Name: wire.Limits, Version: "1"},
		{Name: wire.ExpandPath, Version: "1"},
		{Name: wire.CopyData, Version: "1"},
		{Name: wire.HomeDirectory, Version: "1"},
		{Name: wire.NamesByID, Version: "1"},
	}
}

func (s *server) extended(ctx context.Context, r wire.Request) ([]byte, error) {
	switch r.Extension {
	case wire.PosixRename:
		return nil, s.rename(ctx, r, session.ReplaceFile)
	case wire.Hardlink:
		return nil, s.link(ctx, r)
	case wire.Lsetstat:
		p, err := parsePath(r.Path)
		if err != nil {
			return nil, err
		}
		s.settle()
		return nil, s.lsetstat(ctx, p, r.Attrs)
	case wire.Limits:
		return wire.AppendExtended(nil, r.ID, wire.MaxPacket, wire.MaxPayload, wire.MaxPayload, uint64(s.Handles.limit)), nil
	case wire.StatVFS:
		p, err := parsePath(r.Path)
		if err != nil {
			return nil, err
		}
		return s.space(ctx, r.ID, p)
	case wire.FstatVFS:
		f, err := s.file(r.Handle)
		if err != nil {
			return nil, err
		}
		return s.space(ctx, r.ID, f.path)
	case wire.ExpandPath:
		return s.expand(ctx, r.ID, r.Path)
	case wire.HomeDirectory:
		if r.Path != "" && r.Path != s.Account {
			return nil, fs.ErrNotExist
		}
		return oneName(r.ID, path.Root.String()), nil
	case wire.NamesByID:
		return s.namesByID(r)
	}
	return nil, errUnsupported
}

func (s *server) namesByID(r wire.Request) ([]byte, error) {
	b := wire.AppendNamesByID(nil, r.ID, namesOf(r.UIDs, s.Account), namesOf(r.GIDs, group))
	if len(b) > wire.MaxPacket {
		return nil, errManyIDs
	}
	return b, nil
}

// namesOf gives the one number that is told of every owner and group its name:
// all others are nobody's.
func namesOf(ids []uint32, name string) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		if id == nobody {
			names[i] = name
		}
	}
	return names
}

func (s *server) link(ctx context.Context, r wire.Request) error {
	from, to, err := bothPaths(r)
	if err != nil {
		return err
	}
	s.settle()
	err = s.FS.Link(ctx, from, to)
	if errors.Is(err, session.ErrIsDir) {
		return errLinkFolder
	}
	return err
}

// expand is realpath for a path that may begin with "~", which scp sends: the
// home of the account is what it sees as "/".
func (s *server) expand(ctx context.Context, id uint32, raw string) ([]byte, error) {
	if tilde, ok := strings.CutPrefix(raw, "~"); ok {
		name, rest, _ := strings.Cut(tilde, "/")
		if name != "" && name != s.Account {
			return nil, fs.ErrNotExist
		}
		raw = "/" + rest
	}
	return s.realpath(ctx, id, raw)
}

// What statvfs tells of where there is no bound: 8 PiB, and as many files. Never
// zero, and no number that clients overflow with.
const unlimited = 1 << 53

// blockSize is that of the figures of statvfs. A quota is kept to the byte, and
// told to the byte.
const blockSize = 1

// noSetuid is the flag of statvfs that says set-id bits have no effect.
const noSetuid = 2

func (s *server) space(ctx context.Context, id uint32, p path.Path) ([]byte, error) {
	s.settleWrites()
	sp, err := s.FS.Space(ctx, p)
	if err != nil {
		return nil, err
	}
	bytes, free := Figures(sp.Bytes, sp.UsedBytes, sp.FreeBytes)
	files, freeFiles := Figures(sp.Files, sp.UsedFiles, sp.FreeFiles)
	return wire.AppendExtended(nil, id,
		blockSize, blockSize, bytes, free, free,
		files, freeFiles, freeFiles,
		0, noSetuid, path.MaxName), nil
}

// Figures puts figures of which negative ones are unlimited into those of
// statvfs, where the use is the difference of the two.
func Figures(total, used, free int64) (uint64, uint64) {
	if free < 0 {
		free = unlimited
	}
	if total < 0 {
		total = free + max(used, 0)
	}
	return uint64(total), uint64(free)
}
