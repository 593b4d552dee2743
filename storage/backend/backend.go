// Package backend is the contract for what holds users' bytes. A backend opens
// real paths below its own root and refuses every link on the way: resolving
// links, and judging where they lead, is the guard's. backendtest is the suite
// that each backend passes.
package backend

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"gatehouse/policy/path"
)

// Reserved is the name of the gateway's own folder at the top of each mount. A
// backend knows nothing special of it; mount keeps it out of sight.
const Reserved = ".gatehouse"

// A Backend stores one mount's tree. Errors are *fs.PathError or *os.LinkError
// around fs.ErrNotExist, fs.ErrExist and the errors below, with tree paths in
// them, never paths of the machine. Only regular files and folders are opened.
type Backend interface {
	Capabilities() Capabilities
	// Open opens a regular file. ErrLink where an element, the last one
	// included, is a symbolic link; ErrSpecial for anything but a regular file.
	Open(ctx context.Context, p path.Path, how How) (File, error)
	// Stat describes what stands at p itself: a link is not followed.
	Stat(ctx context.Context, p path.Path) (Info, error)
	// List opens a folder for reading its entries.
	List(ctx context.Context, p path.Path) (Dir, error)
	// Mkdir makes one folder; fs.ErrExist where something is there.
	Mkdir(ctx context.Context, p path.Path) error
	// Remove removes a file, link or special file; RemoveDir an empty folder (ErrNotEmpty).
	Remove(ctx context.Context, p path.Path) error
	RemoveDir(ctx context.Context, p path.Path) error
	// Rename moves from to to. Without replace, fs.ErrExist where something is
	// there, atomically; with it a file replaces a file.
	Rename(ctx context.Context, from, to path.Path, replace bool) error
	// Symlink makes a link; Readlink reads one; Link makes a hard link of a regular file.
	Symlink(ctx context.Context, target string, p path.Path) error
	Readlink(ctx context.Context, p path.Path) (string, error)
	Link(ctx context.Context, from, to path.Path) error
	// SetAttr changes what is not nil, on a file or folder.
	SetAttr(ctx context.Context, p path.Path, a Attr) error
	// Properties are small named values that live and move with the file.
	// SetProperties replaces them all; empty removes them. ErrUnsupported where
	// the store below cannot, ErrNoSpace where they are too large for it.
	Properties(ctx context.Context, p path.Path) (map[string][]byte, error)
	SetProperties(ctx context.Context, p path.Path, props map[string][]byte) error
	// Space tells what the store below has, in bytes and files.
	Space(ctx context.Context, p path.Path) (Space, error)
	// Sync makes the entries of the folder p durable.
	Sync(ctx context.Context, p path.Path) error
	Close() error
}

// A RenameSyncer is a Backend that renames and makes durable in one go what Rename
// and Sync of the folder that to is in would do one after the other. After renamed
// the error is that of Sync.
type RenameSyncer interface {
	RenameSync(ctx context.Context, from, to path.Path, replace bool) (renamed bool, err error)
}

// A File is an open regular file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (Info, error)
	SetAttr(a Attr) error
	// Properties and SetProperties as in Backend, of the open file.
	Properties() (map[string][]byte, error)
	SetProperties(props map[string][]byte) error
	// OS returns the kernel's file behind this one, for sendfile, splice and
	// copy_file_range; nil where there is none.
	OS() *os.File
}

// A Locker is a File that one machine at a time has to itself, among all that have
// the store mounted. ErrInUse where another open of it is locked, on whatever machine,
// ErrUnsupported where the store keeps no locks. A lock ends with the machine.
type Locker interface {
	// Lock locks the file until unlock, also beyond Close. It is opened for writing.
	Lock() (unlock func() error, err error)
}

// A Dir reads a folder in pieces.
type Dir interface {
	// Next returns up to n entries, io.EOF after the last. Entries that vanish
	// while they are read are left out; special files are marked as such. What it
	// returned before is no longer valid.
	Next(n int) ([]Info, error)
	// Properties is Backend.Properties for a file or folder that Next named. It may
	// fail where that does not: who gets an error asks by path.
	Properties(name string) (map[string][]byte, error)
	io.Closer
}

// How says how a file is opened.
type How struct {
	Read, Write bool
	// Create makes the file where there is none; Exclusive refuses one that is there.
	Create, Exclusive, Truncate bool
	// Mode is the new file's; zero takes the mount's.
	Mode fs.FileMode
	// UID and GID own a new file; nil takes the mount's.
	UID, GID *int
}

// Attr is a change of attributes; nil leaves one be.
type Attr struct {
	Size     *int64
	Mode     *fs.FileMode // permission bits only
	Accessed *time.Time
	Modified *time.Time
	UID, GID *int
}

// Info describes a file, folder, link or special file.
type Info struct {
	Name     string
	Size     int64
	Mode     fs.FileMode // type and permission bits
	Modified time.Time
	Accessed time.Time
	Changed  time.Time
	ID       FileID
	Links    uint64
	UID, GID int
}

// FileID identifies a file for as long as it exists.
type FileID struct{ Device, Inode uint64 }

// IsDir reports a folder.
func (i Info) IsDir() bool { return i.Mode.IsDir() }

// IsRegular reports a regular file.
func (i Info) IsRegular() bool { return i.Mode.IsRegular() }

// IsLink reports a symbolic link.
func (i Info) IsLink() bool { return i.Mode.Type() == fs.ModeSymlink }

// IsSpecial reports what is neither file, folder nor link.
func (i Info) IsSpecial() bool { return !i.IsDir() && !i.IsRegular() && !i.IsLink() }

// Space is what a store has; negative figures are unknown or unlimited.
type Space struct {
	Bytes, FreeBytes int64
	Files, FreeFiles int64
}

// Capabilities are what a backend can do beyond opening, listing and removing.
type Capabilities struct {
	RandomWrite  bool
	AtomicRename bool
	Symlinks     bool
	HardLinks    bool
	Properties   bool
}

// Errors, beside fs.ErrNotExist, fs.ErrExist and fs.ErrInvalid.
var (
	ErrLink        = errors.New("a symbolic link is on the way")
	ErrSpecial     = errors.New("neither a file nor a folder")
	ErrIsDir       = errors.New("is a folder")
	ErrNotDir      = errors.New("is not a folder")
	ErrNotEmpty    = errors.New("the folder is not empty")
	ErrNoSpace     = errors.New("no space left on the store")
	ErrCrossMount  = errors.New("source and target are on different mounts")
	ErrBusy        = errors.New("a mount point cannot be moved or removed")
	ErrInUse       = errors.New("another node is changing the file")
	ErrUnsupported = errors.New("the store cannot do this")
)
