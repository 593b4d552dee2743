package guard_test

import (
	"os"
	"syscall"
)

// linked reports a file with several names.
func linked(i os.FileInfo) bool { return i.Sys().(*syscall.Stat_t).Nlink > 1 }

// owner is the machine's owner of a file.
func owner(i os.FileInfo) int { return int(i.Sys().(*syscall.Stat_t).Uid) }
