// Package migrate turns what other programs keep of their users (a dump of
// SFTPGo, /etc/shadow, htpasswd) into a document that apply takes, and says what
// of it has no counterpart here.
package migrate

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"gatehouse/admin/document"
	"gatehouse/auth"
)

// Options say how an import is made.
type Options struct {
	// Folders tell which folders of the old machine stand where in the tree.
	Folders []Folder
	// AdoptHomes takes homes that are there already, with what they hold.
	AdoptHomes bool
}

// A Folder is a folder of a file system and its place in the tree.
type Folder struct{ Disk, Tree string }

// ParseFolder reads DISK=TREE.
func ParseFolder(text string) (Folder, error) {
	disk, tree, ok := strings.Cut(text, "=")
	if !ok || !path.IsAbs(disk) || !path.IsAbs(tree) {
		return Folder{}, fmt.Errorf("%q is not DISK=TREE, two absolute paths such as /srv/sftpgo/data=/home", text)
	}
	return Folder{path.Clean(disk), path.Clean(tree)}, nil
}

// tree finds where a folder of the old machine stands in the tree: the longest
// of the folders counts.
func (o Options) tree(disk string) (string, bool) {
	best, found := Folder{}, false
	disk = path.Clean(disk)
	for _, f := range o.Folders {
		inside := disk == f.Disk || f.Disk == "/" || strings.HasPrefix(disk, f.Disk+"/")
		if inside && (!found || len(f.Disk) > len(best.Disk)) {
			best, found = f, true
		}
	}
	if !found {
		return "", false
	}
	return path.Join(best.Tree, strings.TrimPrefix(disk, best.Disk)), true
}

// A Remark says what of a record has no counterpart, or another one.
type Remark struct {
	Kind string `json:"kind"` // account | group | site
	Name string `json:"name,omitempty"`
	What string `json:"what"`
}

// An Import is what a file holds, as a document, and what is to be said about it.
type Import struct {
	Document document.Document
	Remarks  []Remark
}

func newImport() *Import {
	return &Import{Document: document.Document{Version: document.DocumentVersion}}
}

func (i *Import) remark(kind, name, format string, args ...any) {
	i.Remarks = append(i.Remarks, Remark{kind, name, fmt.Sprintf(format, args...)})
}

// password sets an account's hash, where it is one that can be verified here.
func (i *Import) password(x *document.DocumentAccount, p document.DocumentPassword) {
	if err := auth.KnownHash(p.Hash); err != nil {
		i.remark("account", x.Username, "its password is kept in a format that cannot be verified here: it needs a new one (account reset-link)")
		return
	}
	x.Secrets = &document.DocumentSecrets{Password: &p}
}

// add takes an account in, unless the name is there already.
func (i *Import) add(x document.DocumentAccount) {
	same := func(y document.DocumentAccount) bool { return y.Username == x.Username }
	if slices.ContainsFunc(i.Document.Accounts, same) {
		i.remark("account", x.Username, "the name stands in the file twice: the first one counts")
		return
	}
	i.Document.Accounts = append(i.Document.Accounts, x)
}
