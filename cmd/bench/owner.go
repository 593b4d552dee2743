package main

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
)

// An owner is whose the files of a server have to be.
type owner struct{ uid, gid int }

// folder makes a folder of the owner, unless it is there.
func (o owner) folder(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chown(path, o.uid, o.gid)
}

// ownerOf looks up an account of this machine.
func ownerOf(name string) (owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return owner{}, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return owner{uid, gid}, err
}
