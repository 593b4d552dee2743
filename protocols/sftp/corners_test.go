package sftp_test

import (
	"fmt"
	"maps"
	"strings"

	"gatehouse/protocols/sftp/wire"
)

// The flags of every way to open.
var openFlags = []uint32{wire.FlagRead, wire.FlagWrite, wire.FlagAppend, wire.FlagCreate, wire.FlagTruncate, wire.FlagExclusive}

func flagNames(flags uint32) string {
	var names []string
	for i, name := range []string{"read", "write", "append", "create", "truncate", "exclusive"} {
		if flags&openFlags[i] != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

var (
	zero64 = uint64(0)
	none   = uint32(0)
	rw     = wire.FlagRead | wire.FlagWrite
)

const pastInt64 = uint64(1) << 63

func extended(name string, args ...any) question {
	return ask(wire.Extended, append([]any{name}, args...)...)
}

func corners() map[string][]question {
	all := map[string][]question{}
	for _, part := range []func() map[string][]question{openCorners, dataCorners, attrCorners, nameCorners, packetCorners} {
		maps.Copy(all, part())
	}
	return all
}

func openCorners() map[string][]question {
	all := map[string][]question{}
	for flags := range uint32(64) {
		for _, name := range []string{"f", "new", "d", "l", "ld", "broken", "d/new", "f/below", "missing/new", "loop"} {
			open := ask(wire.Open, at(name), flags, none)
			has := func(flag uint32) bool { return flags&flag != 0 }
			switch {
			case flags&rw == 0, has(wire.FlagTruncate) && !has(wire.FlagWrite), has(wire.FlagExclusive) && !has(wire.FlagCreate):
				open = open.differs("code 4", unclear)
			case name == "d" || name == "ld":
				open = open.differs("code 4", folders)
			case name == "broken" || name == "loop":
				open = open.differs("code 4", links)
			}
			steps := []question{
				open,
				ask(wire.Write, of(0), uint64(3), "XY").differs("code 3", directions),
				ask(wire.Read, of(0), zero64, uint32(100)).differs("code 3", directions),
				ask(wire.Fstat, of(0)),
				ask(wire.Close, of(0)),
				ask(wire.Stat, at(name)), ask(wire.Lstat, at(name)),
			}
			all[fmt.Sprintf("open %s %s", name, flagNames(flags))] = steps
		}
	}
	return all
}

func dataCorners() map[string][]question {
	open := func(flags uint32) question { return ask(wire.Open, at("f"), flags, none) }
	return map[string][]question{
		"read ranges": {
			ask(wire.Open, at("big"), wire.FlagRead, none),
			ask(wire.Read, of(0), zero64, uint32(0)),
			ask(wire.Read, of(0), uint64(20<<14), uint32(0)),
			ask(wire.Read, of(0), uint64(20<<14), uint32(1)),
			ask(wire.Read, of(0), uint64(20<<14-1), uint32(100)),
			ask(wire.Read, of(0), uint64(20<<14+1), uint32(100)),
			ask(wire.Read, of(0), zero64, uint32(1<<31)),
			ask(wire.Read, of(0), zero64, uint32(1<<32-1)),
			ask(wire.Read, of(0), zero64, uint32(256<<10)),
			ask(wire.Read, of(0), pastInt64-1, uint32(1)),
			ask(wire.Read, of(0), pastInt64-2, uint32(100)),
			ask(wire.Read, of(0), pastInt64, uint32(1)),
			ask(wire.Read, of(0), ^zero64, uint32(1)),
			ask(wire.Read, of(0), ^zero64, uint32(0)),
		},
		"write ranges": {
			open(rw),
			ask(wire.Write, of(0), zero64, ""),
			ask(wire.Write, of(0), uint64(100), ""),
			ask(wire.Fstat, of(0)),
			ask(wire.Write, of(0), uint64(20), "x"),
			ask(wire.Read, of(0), zero64, uint32(100)),
			ask(wire.Write, of(0), pastInt64-1, "x"),
			ask(wire.Write, of(0), pastInt64-1, "").differs("code 0", emptyWrite),
			ask(wire.Write, of(0), pastInt64, "x"),
			ask(wire.Write, of(0), ^zero64, "x"),
			ask(wire.Fstat, of(0)),
			ask(wire.Close, of(0)),
			ask(wire.Stat, at("f")),
		},
		"large writes": {
			open(rw),
			ask(wire.Write, of(0), zero64, strings.Repeat("x", wire.MaxPayload)), ask(wire.Fstat, of(0)),
			ask(wire.Write, of(0), zero64, strings.Repeat("x", wire.MaxPacket-21-8)), ask(wire.Fstat, of(0)),
		},
		"append": {
			open(wire.FlagWrite | wire.FlagAppend),
			ask(wire.Write, of(0), zero64, " again"),
			ask(wire.Write, of(0), uint64(3), " and again"),
			ask(wire.Write, of(0), pastInt64, "!"),
			ask(wire.Fstat, of(0)),
			ask(wire.Fsetstat, of(0), uint32(wire.HasSize), uint64(2)),
			ask(wire.Write, of(0), uint64(9), "ya"),
			ask(wire.Close, of(0)),
			open(wire.FlagRead), ask(wire.Read, of(8), zero64, uint32(100)),
		},
		"two handles": {
			open(rw), open(rw | wire.FlagAppend), open(wire.FlagRead),
			ask(wire.Write, of(0), zero64, "HELLO"),
			ask(wire.Read, of(2), zero64, uint32(20)),
			ask(wire.Write, of(1), zero64, "!"),
			ask(wire.Read, of(0), zero64, uint32(20)),
			ask(wire.Fsetstat, of(0), uint32(wire.HasSize), uint64(3)),
			ask(wire.Read, of(2), zero64, uint32(20)),
			ask(wire.Write, of(1), zero64, "?"),
			ask(wire.Read, of(2), zero64, uint32(20)),
			ask(wire.Fstat, of(2)),
		},
		"handle after close": {
			open(rw), ask(wire.Close, of(0)),
			ask(wire.Close, of(0)),
			ask(wire.Read, of(0), zero64, uint32(1)),
			ask(wire.Write, of(0), zero64, "x"),
			ask(wire.Fstat, of(0)),
			ask(wire.Fsetstat, of(0), none),
			ask(wire.Readdir, of(0)),
			extended(wire.Fsync, of(0)),
			extended(wire.FstatVFS, of(0)),
		},
		"no handles": {
			ask(wire.Close, ""), ask(wire.Close, "what"), ask(wire.Close, "whatever it may be"), ask(wire.Close, strings.Repeat("h", 256)),
			ask(wire.Close, strings.Repeat("h", 257)),
			ask(wire.Read, "", zero64, uint32(1)), ask(wire.Fstat, "nonsense"), ask(wire.Readdir, "nonsense"),
		},
		"direction": {
			open(wire.FlagRead), open(wire.FlagWrite), ask(wire.Opendir, at("d")),
			ask(wire.Write, of(0), zero64, "x").differs("code 3", directions),
			ask(wire.Write, of(0), zero64, "").differs("code 3", directions),
			ask(wire.Fsetstat, of(0), uint32(wire.HasSize), uint64(1)).differs("code 3", directions),
			ask(wire.Read, of(1), zero64, uint32(5)).differs("code 3", directions),
			ask(wire.Read, of(1), zero64, uint32(0)).differs("code 3", directions),
			ask(wire.Read, of(2), zero64, uint32(5)),
			ask(wire.Write, of(2), zero64, "x"),
			ask(wire.Fstat, of(2)),
			ask(wire.Fsetstat, of(2), uint32(wire.HasMode), uint32(0o700)),
			ask(wire.Readdir, of(0)),
			extended(wire.Fsync, of(0)),
			extended(wire.Fsync, of(2)),
			ask(wire.Stat, at("f")),
		},
		"renamed while open": {
			open(rw),
			ask(wire.Rename, at("f"), at("moved")),
			ask(wire.Fstat, of(0)),
			ask(wire.Write, of(0), zero64, "J"),
			ask(wire.Fsetstat, of(0), uint32(wire.HasSize), uint64(5)),
			ask(wire.Fsetstat, of(0), uint32(wire.HasMode), uint32(0o600)),
			ask(wire.Fsetstat, of(0), uint32(wire.HasTimes), uint32(1000), uint32(2000)),
			ask(wire.Stat, at("moved")), ask(wire.Stat, at("f")),
			ask(wire.Close, of(0)),
			ask(wire.Open, at("moved"), wire.FlagRead, none), ask(wire.Read, of(10), zero64, uint32(100)),
		},
		"another in its place": {
			open(rw),
			ask(wire.Rename, at("f"), at("moved")), ask(wire.Rename, at("g"), at("f")),
			ask(wire.Fsetstat, of(0), uint32(wire.HasSize), uint64(2)),
			ask(wire.Fstat, of(0)), ask(wire.Stat, at("f")), ask(wire.Stat, at("moved")),
		},
		"removed while open": {
			open(rw),
			ask(wire.Remove, at("f")),
			ask(wire.Fstat, of(0)),
			ask(wire.Read, of(0), zero64, uint32(100)),
			ask(wire.Write, of(0), uint64(5), "!"),
			ask(wire.Fsetstat, of(0), uint32(wire.HasSize), uint64(8)),
			ask(wire.Fsetstat, of(0), uint32(wire.HasMode), uint32(0o600)),
			ask(wire.Fstat, of(0)),
			extended(wire.Fsync, of(0)),
			ask(wire.Stat, at("f")),
			ask(wire.Close, of(0)), list(""),
		},
		"made and removed while open": {
			open(wire.FlagRead), ask(wire.Open, at("new"), rw|wire.FlagCreate, none),
			ask(wire.Remove, at("new")),
			ask(wire.Write, of(1), uint64(1), "0").differs("code 2", nameless), ask(wire.Close, of(1)),
		},
		"replaced while open": {
			open(rw),
			extended(wire.PosixRename, at("g"), at("f")),
			ask(wire.Fstat, of(0)), ask(wire.Write, of(0), zero64, "X"),
			ask(wire.Stat, at("f")), ask(wire.Close, of(0)), ask(wire.Stat, at("f")),
		},
		"folder removed while open": {
			ask(wire.Opendir, at("empty-d")), ask(wire.Rmdir, at("empty-d")), ask(wire.Readdir, of(0)), ask(wire.Close, of(0)),
		},
		"copy-data": {
			open(wire.FlagRead), ask(wire.Open, at("new"), rw|wire.FlagCreate, none), open(rw),
			extended(wire.CopyData, of(0), uint64(6), uint64(3), of(1), uint64(2)), ask(wire.Read, of(1), zero64, uint32(99)),
			extended(wire.CopyData, of(0), uint64(0), uint64(0), of(1), uint64(4)), ask(wire.Read, of(1), zero64, uint32(99)),
			extended(wire.CopyData, of(0), uint64(6), uint64(50), of(1), uint64(0)), ask(wire.Read, of(1), zero64, uint32(99)),
			extended(wire.CopyData, of(0), uint64(99), uint64(0), of(1), uint64(0)), ask(wire.Fstat, of(1)),
			extended(wire.CopyData, of(0), uint64(99), uint64(1), of(1), uint64(0)), ask(wire.Fstat, of(1)),
			extended(wire.CopyData, of(0), uint64(0), uint64(0), of(0), uint64(0)),
			extended(wire.CopyData, of(0), uint64(0), uint64(0), of(2), uint64(0)),
			extended(wire.CopyData, of(0), pastInt64, uint64(1), of(1), uint64(0)),
			extended(wire.CopyData, of(0), uint64(0), uint64(1), of(1), pastInt64),
			extended(wire.CopyData, "nonsense", uint64(0), uint64(1), of(1), uint64(0)),
			extended(wire.CopyData, of(0), uint64(0), uint64(1), "nonsense", uint64(0)),
			extended(wire.CopyData, of(1), uint64(0), uint64(1), of(0), uint64(0)).differs("code 3", directions),
			ask(wire.Open, at("g"), wire.FlagWrite|wire.FlagAppend, none),
			extended(wire.CopyData, of(0), uint64(0), uint64(5), of(20), uint64(0)), ask(wire.Stat, at("g")),
			ask(wire.Open, at("g"), wire.FlagWrite, none),
			extended(wire.CopyData, of(23), uint64(0), uint64(5), of(1), uint64(0)).differs("code 3", directions),
		},
		"list": {
			list(""), list("d"), list("empty-d"), list("ld"), list("f"), list("missing"), list("broken"), list("loop"),
			ask(wire.Opendir, at("empty-d")), ask(wire.Readdir, of(8)).differs("code 1", dots), ask(wire.Readdir, of(8)), ask(wire.Readdir, of(8)), ask(wire.Close, of(8)),
			ask(wire.Readdir, of(8)), ask(wire.Opendir, ""),
		},
	}
}

func attrCorners() map[string][]question {
	set := func(name string, args ...any) question { return ask(wire.Setstat, append([]any{at(name)}, args...)...) }
	uid, gid := oracleIDs()
	all := map[string][]question{
		"set size": {
			set("f", uint32(wire.HasSize), uint64(3)), ask(wire.Stat, at("f")),
			set("f", uint32(wire.HasSize), uint64(300)), ask(wire.Stat, at("f")),
			set("f", uint32(wire.HasSize), pastInt64), set("f", uint32(wire.HasSize), pastInt64-1), ask(wire.Stat, at("f")),
			set("d", uint32(wire.HasSize), uint64(3)),
			set("l", uint32(wire.HasSize), uint64(7)), ask(wire.Stat, at("f")),
			set("missing", uint32(wire.HasSize), uint64(3)),
			set("", uint32(wire.HasSize), uint64(3)), ask(wire.Setstat, "", uint32(wire.HasSize), uint64(3)),
		},
		"set times": {
			set("f", uint32(wire.HasTimes), uint32(1000), uint32(2000)), ask(wire.Stat, at("f")),
			set("d", uint32(wire.HasTimes), uint32(1000), uint32(2000)), ask(wire.Stat, at("d")),
			set("f", uint32(wire.HasTimes), none, none), ask(wire.Stat, at("f")),
			set("f", uint32(wire.HasTimes), uint32(1<<32-1), uint32(1<<32-1)), ask(wire.Stat, at("f")),
			set("f", uint32(wire.HasTimes), uint32(1<<31), uint32(1<<31)), ask(wire.Stat, at("f")),
			set("l", uint32(wire.HasTimes), uint32(3000), uint32(4000)), ask(wire.Stat, at("f")),
			set("missing", uint32(wire.HasTimes), uint32(1), uint32(1)),
		},
		"set nothing": {
			set("f", none), set("missing", none).differs("code 2", absent), set("d", none), set("broken", none).differs("code 2", absent),
			ask(wire.Open, at("f"), wire.FlagRead, none), ask(wire.Fsetstat, of(4), none),
		},
		"set owner": {
			set("f", uint32(wire.HasOwner), uid, gid).differs("code 3", owners),
			set("f", uint32(wire.HasOwner), uint32(1), uint32(1)).differs("code 3", owners),
			set("g", uint32(wire.HasOwner|wire.HasMode), uid, gid, uint32(0o600)), ask(wire.Stat, at("g")),
		},
		"set size and times": {
			set("f", uint32(wire.HasSize|wire.HasTimes), uint64(4), uint32(1000), uint32(2000)), ask(wire.Stat, at("f")),
		},
		"set by handle for reading": {
			ask(wire.Open, at("f"), wire.FlagRead, none),
			ask(wire.Fsetstat, of(0), uint32(wire.HasMode), uint32(0o600)),
			ask(wire.Fsetstat, of(0), uint32(wire.HasTimes), uint32(1000), uint32(2000)),
			ask(wire.Fstat, of(0)),
		},
		"set extended attributes": {
			set("f", uint32(0x80000004), uint32(0o600), uint32(1), "user.x", "value"), ask(wire.Stat, at("f")),
			set("f", uint32(0x7fff0000)), set("f", uint32(0x00000010)),
		},
		"lsetstat": {
			extended(wire.Lsetstat, at("f"), uint32(wire.HasMode), uint32(0o600)), ask(wire.Stat, at("f")),
			extended(wire.Lsetstat, at("f"), uint32(wire.HasTimes), uint32(1000), uint32(2000)), ask(wire.Stat, at("f")),
			extended(wire.Lsetstat, at("l"), uint32(wire.HasMode), uint32(0o600)).differs("code 8", links), ask(wire.Lstat, at("l")),
			extended(wire.Lsetstat, at("l"), uint32(wire.HasTimes), uint32(1000), uint32(2000)).differs("code 8", links),
			extended(wire.Lsetstat, at("f"), uint32(wire.HasSize), uint64(3)), ask(wire.Stat, at("f")),
			extended(wire.Lsetstat, at("missing"), uint32(wire.HasMode), uint32(0o600)),
		},
		"mode of a new file": {
			ask(wire.Open, at("new"), wire.FlagWrite|wire.FlagCreate, uint32(wire.HasMode), uint32(0o600)), ask(wire.Stat, at("new")),
			ask(wire.Open, at("new2"), wire.FlagWrite|wire.FlagCreate, none), ask(wire.Stat, at("new2")),
			ask(wire.Open, at("new3"), wire.FlagWrite|wire.FlagCreate, uint32(wire.HasMode), uint32(0o777)), ask(wire.Stat, at("new3")),
			ask(wire.Open, at("new4"), wire.FlagWrite|wire.FlagCreate, uint32(wire.HasMode), uint32(0o400)), ask(wire.Write, of(6), zero64, "x"), ask(wire.Stat, at("new4")).differs("mode 100600 size 1", modes),
			ask(wire.Open, at("f"), wire.FlagWrite|wire.FlagCreate, uint32(wire.HasMode), uint32(0o600)), ask(wire.Stat, at("f")),
			ask(wire.Open, at("new5"), wire.FlagWrite|wire.FlagCreate, uint32(wire.HasSize|wire.HasMode), uint64(1000), uint32(0o600)), ask(wire.Stat, at("new5")),
		},
		"mode of a new folder": {
			ask(wire.Mkdir, at("new"), none), ask(wire.Stat, at("new")),
			ask(wire.Mkdir, at("new2"), uint32(wire.HasMode), uint32(0o700)), ask(wire.Stat, at("new2")),
			ask(wire.Mkdir, at("new3"), uint32(wire.HasMode), uint32(0o777)), ask(wire.Stat, at("new3")),
			ask(wire.Mkdir, at("new4"), uint32(wire.HasMode), uint32(0o41777)), ask(wire.Stat, at("new4")).differs("mode 40750", modes),
			ask(wire.Mkdir, at("new"), none), ask(wire.Mkdir, at("f"), none), ask(wire.Mkdir, at("broken"), none), ask(wire.Mkdir, at("missing/new"), none),
			ask(wire.Mkdir, at("f/new"), none), ask(wire.Mkdir, at("d/"), none), ask(wire.Mkdir, at("slash/"), none), ask(wire.Mkdir, at("d/.."), none),
		},
	}
	for _, mode := range []uint32{0o600, 0o640, 0o644, 0o755, 0o777, 0o700, 0o444, 0o400, 0, 0o4755, 0o2755, 0o1755, 0o100644} {
		all[fmt.Sprintf("mode %o", mode)] = []question{
			set("f", uint32(wire.HasMode), mode),
			ask(wire.Stat, at("f")).differs(fmt.Sprintf("mode %o size 11", 0o100000|mode&0o777|0o600), modes),
		}
		all[fmt.Sprintf("mode of a folder %o", mode)] = []question{
			set("d", uint32(wire.HasMode), mode),
			ask(wire.Stat, at("d")).differs(fmt.Sprintf("mode %o", 0o040000|mode&0o777|0o700), modes),
		}
	}
	return all
}

func nameCorners() map[string][]question {
	posix := func(from, to string) question { return extended(wire.PosixRename, at(from), at(to)) }
	rename := func(from, to string) question { return ask(wire.Rename, at(from), at(to)) }
	all := map[string][]question{
		"stat": {
			ask(wire.Stat, at("f")), ask(wire.Stat, at("l")), ask(wire.Lstat, at("l")), ask(wire.Stat, at("broken")), ask(wire.Lstat, at("broken")),
			ask(wire.Stat, at("loop")), ask(wire.Lstat, at("loop")), ask(wire.Stat, at("missing")), ask(wire.Stat, at("f/below")), ask(wire.Stat, at("missing/below")),
			ask(wire.Stat, at("ld/in")), ask(wire.Stat, at("d/../f")), ask(wire.Stat, at("./f")), ask(wire.Stat, at("//f")), ask(wire.Stat, at("d/")),
			ask(wire.Stat, ""), ask(wire.Lstat, ""), ask(wire.Stat, at("ld/.")), ask(wire.Lstat, at("ld")), ask(wire.Lstat, at("ld/")).differs("mode 120777 size 1", clean),
			ask(wire.Stat, at("f/")).differs("mode 100640 size 11", clean), ask(wire.Stat, at("f/.")).differs("mode 100640 size 11", clean),
			ask(wire.Stat, at("missing/../f")).differs("mode 100640 size 11", clean), ask(wire.Stat, at("f/../f")).differs("mode 100640 size 11", clean), ask(wire.Stat, at("ld/../f")),
		},
		"remove": {
			ask(wire.Remove, at("f")), ask(wire.Remove, at("f")), ask(wire.Remove, at("d")), ask(wire.Remove, at("empty-d")), ask(wire.Remove, at("l")),
			ask(wire.Remove, at("ld")), ask(wire.Remove, at("broken")), ask(wire.Remove, at("loop")), ask(wire.Remove, at("g/..")).differs("code 4", clean), ask(wire.Remove, at("missing/f")),
			ask(wire.Remove, at("g/below")), ask(wire.Remove, ""), list(""),
		},
		"rmdir": {
			ask(wire.Rmdir, at("d")), ask(wire.Rmdir, at("f")), ask(wire.Rmdir, at("empty-d")), ask(wire.Rmdir, at("empty-d")), ask(wire.Rmdir, at("ld")),
			ask(wire.Rmdir, at("broken")), ask(wire.Rmdir, at("missing/d")), ask(wire.Rmdir, ""), ask(wire.Rmdir, at("d/.")).differs("code 4", clean), ask(wire.Rmdir, at("d/..")), list(""),
		},
		"rename": {
			rename("f", "new"), rename("new", "g"), rename("new", "d"), rename("new", "l"), rename("new", "broken"), rename("new", "new"),
			rename("missing", "x"), rename("missing", "g"), rename("new", "missing/x"), rename("new", "g/x"), rename("new", "d/x"), list(""), list("d"),
			ask(wire.Rename, "", at("x")), ask(wire.Rename, at("g"), ""),
		},
		"rename folders": {
			rename("d", "moved"), rename("moved", "empty-d"), rename("moved", "f"), rename("moved", "moved/inside"), rename("moved", "moved"),
			rename("empty-d", "moved"), rename("moved", "l"), rename("moved", "missing/x"), list(""),
		},
		"rename links": {
			rename("l", "moved"), rename("ld", "f"), rename("ld", "moved-d"), rename("broken", "still"), rename("loop", "d"), list(""),
		},
		"rename a folder onto a broken link": {rename("d", "broken").differs("code 4", links), list("")},
		"posix rename": {
			posix("f", "new"), posix("new", "g"), posix("g", "g"), posix("g", "d"), posix("g", "empty-d"), posix("g", "l"), posix("missing", "x"),
			posix("missing", "missing"), posix("l", "missing/x"), posix("l", "big/x"), list(""),
		},
		"posix rename folders": {
			posix("d", "f"), posix("d", "moved"), posix("moved", "moved/inside"), posix("moved", "moved"), list(""),
			ask(wire.Mkdir, at("full"), none), ask(wire.Mkdir, at("full/x"), none), posix("moved", "full"), list("full"),
		},
		"posix rename onto an empty folder": {posix("d", "empty-d").differs("code 4", emptyFolder)},
		"posix rename onto links": {
			posix("f", "broken"), ask(wire.Lstat, at("broken")), posix("g", "ld"), ask(wire.Lstat, at("ld")), posix("empty", "l"), ask(wire.Lstat, at("l")), list(""),
		},
		"posix rename of links":    {posix("l", "g"), ask(wire.Lstat, at("g")), ask(wire.Readlink, at("g")), list("")},
		"posix rename of one file": {extended(wire.Hardlink, at("f"), at("same")), posix("f", "same"), ask(wire.Stat, at("same")), ask(wire.Stat, at("f")).differs("code 2", sameFile)},
		"readlink": {
			ask(wire.Readlink, at("l")), ask(wire.Readlink, at("ld")), ask(wire.Readlink, at("broken")), ask(wire.Readlink, at("f")), ask(wire.Readlink, at("d")),
			ask(wire.Readlink, at("missing")), ask(wire.Readlink, ""), ask(wire.Readlink, at("loop")),
		},
		"symlink": {
			ask(wire.Symlink, "f", at("new")), ask(wire.Readlink, at("new")), ask(wire.Stat, at("new")),
			ask(wire.Symlink, "d/in", at("new2")), ask(wire.Readlink, at("new2")),
			ask(wire.Symlink, "../f", at("d/new")), ask(wire.Readlink, at("d/new")), ask(wire.Stat, at("d/new")),
			ask(wire.Symlink, "f", at("g")), ask(wire.Symlink, "f", at("l")), ask(wire.Symlink, "f", at("missing/x")), ask(wire.Symlink, "", at("x")),
			ask(wire.Symlink, "nothing", at("dangling")), ask(wire.Readlink, at("dangling")), ask(wire.Lstat, at("dangling")), ask(wire.Stat, at("dangling")),
			ask(wire.Symlink, "f", ""),
		},
		"hardlink": {
			extended(wire.Hardlink, at("f"), at("new")), ask(wire.Stat, at("new")), extended(wire.Hardlink, at("f"), at("g")),
			extended(wire.Hardlink, at("missing"), at("x")), extended(wire.Hardlink, at("d"), at("x")), extended(wire.Hardlink, at("f"), at("missing/x")),
			extended(wire.Hardlink, at("l"), at("y")).differs("code 8", links),
		},
		"realpath": {
			ask(wire.Realpath, at("f")), ask(wire.Realpath, at("l")), ask(wire.Realpath, at("ld/in")), ask(wire.Realpath, at("missing")),
			ask(wire.Realpath, at("missing/below")), ask(wire.Realpath, at("f/below")), ask(wire.Realpath, at("d/..")), ask(wire.Realpath, at("d/../f")),
			ask(wire.Realpath, at("./d/.")), ask(wire.Realpath, at("broken")), ask(wire.Realpath, at("loop")), ask(wire.Realpath, at("//d//in")),
			ask(wire.Realpath, "/"), ask(wire.Realpath, "/.."), ask(wire.Realpath, "/../.."), ask(wire.Realpath, at("missing")), ask(wire.Realpath, at("ld/..")),
			ask(wire.Realpath, at("f/")), ask(wire.Realpath, at("f/..")),
			extended(wire.ExpandPath, at("f")), extended(wire.ExpandPath, at("missing")), extended(wire.ExpandPath, at("missing/below")),
		},
		"space": {
			extended(wire.StatVFS, at("f")), extended(wire.StatVFS, at("d")), extended(wire.StatVFS, at("missing")),
			ask(wire.Open, at("f"), wire.FlagRead, none), extended(wire.FstatVFS, of(3)), extended(wire.FstatVFS, "nonsense"),
			ask(wire.Opendir, at("d")), extended(wire.FstatVFS, of(6)),
		},
		"fsync": {
			ask(wire.Open, at("f"), rw, none), extended(wire.Fsync, of(0)), extended(wire.Fsync, "nonsense"),
		},
	}
	for what, name := range map[string]string{
		"invalid UTF-8": "\xff\xfe", "a newline": "a\nb", "an escape": "\x1b[31m", "a long one": strings.Repeat("n", 255), "too long": strings.Repeat("n", 256),
		"blanks": "  ", "a dash": "-rf", "a star": "*", "three dots": "...", "a backslash": `a\b`, "a bidi override": "a\u202eb", "a tilde": "~",
		"too long a path": strings.Repeat("d/", 2100) + "x", "a longer path": strings.Repeat("longlong/", 1000),
	} {
		all["name: "+what] = []question{
			ask(wire.Open, at(name), wire.FlagWrite|wire.FlagCreate, none), ask(wire.Close, of(0)), ask(wire.Stat, at(name)), list(""),
			ask(wire.Realpath, at(name)), rename(name, "new"), ask(wire.Mkdir, at(name), none), ask(wire.Rmdir, at(name)), ask(wire.Opendir, at(name)),
			ask(wire.Symlink, name, at("new-link")).differs("code 5", links), ask(wire.Readlink, at("new-link")).differs("code 2", links), ask(wire.Remove, at(name)),
		}
	}
	for _, kind := range []wire.Type{wire.Stat, wire.Opendir, wire.Remove, wire.Realpath} {
		all[fmt.Sprint("name: a NUL, request ", kind)] = []question{ask(kind, at("a\x00b")).differs("code 5", garbled)}
	}
	return all
}

func packetCorners() map[string][]question {
	all := map[string][]question{
		"length 0":           {send([]byte{0, 0, 0, 0}).alone("gone", garbled)},
		"length too large":   {send([]byte{0, 4, 0, 1, 4})},
		"length 2 GiB":       {send([]byte{0x80, 0, 0, 0, 4})},
		"length 4 GiB":       {send([]byte{0xff, 0xff, 0xff, 0xff, 4})},
		"only a type":        {send([]byte{0, 0, 0, 1, 4}).alone("gone", garbled)},
		"half an id":         {send([]byte{0, 0, 0, 3, 4, 0, 0}).alone("gone", garbled)},
		"no handle":          {send(frame(fields(wire.Close, uint32(7)))).differs("code 5, goes on", garbled)},
		"half a handle":      {send(frame(append(fields(wire.Close, uint32(7)), 0, 0, 0, 9, 'x'))).differs("code 5, goes on", garbled)},
		"huge handle":        {send(frame(append(fields(wire.Close, uint32(7)), 0xff, 0xff, 0xff, 0xff, 'x'))).differs("code 5, goes on", garbled)},
		"half a path":        {send(frame(append(fields(wire.Stat, uint32(7)), 0, 0, 0, 9, '/'))).differs("code 5, goes on", garbled)},
		"open without flags": {send(frame(fields(wire.Open, uint32(7), "/no/such/folder/file"))).differs("code 5, goes on", garbled)},
		"open without attrs": {send(frame(fields(wire.Open, uint32(7), "/no/such/folder/file", uint32(1)))).differs("code 5, goes on", garbled)},
		"attrs cut off":      {send(frame(fields(wire.Open, uint32(7), "/no/such/folder/file", uint32(1), uint32(wire.HasSize), uint32(0)))).differs("code 5, goes on", garbled)},
		"many attributes":    {send(frame(fields(wire.Setstat, uint32(7), "/no/such/folder/file", uint32(0x80000000), uint32(0xffffffff), "a", "b"))).differs("code 5, goes on", garbled)},
		"more than there is": {send(frame(append(fields(wire.Stat, uint32(7), "/no/such/folder/file"), "more"...)))},
		"began twice":        {send(frame(fields(wire.Init, uint32(3)))).differs("gone", garbled)},
		"a reply":            {send(frame(fields(wire.Type(101), uint32(7), uint32(0), "", ""))).alone("code 8, goes on", silence)},
		"type 0":             {send(frame(fields(wire.Type(0), uint32(7)))).alone("code 8, goes on", silence)},
		"type 21":            {send(frame(fields(wire.Type(21), uint32(7), "/f", "/g", uint32(0)))).alone("code 8, goes on", silence)},
		"type 255":           {send(frame(fields(wire.Type(255), uint32(7)))).alone("code 8, goes on", silence)},
		"unknown extension":  {send(frame(fields(wire.Extended, uint32(7), "nonsense@example.org", "x")))},
		"extension without":  {send(frame(fields(wire.Extended, uint32(7), wire.PosixRename, "/no/such/folder/file"))).differs("code 5, goes on", garbled)},
		"no extension":       {send(frame(fields(wire.Extended, uint32(7)))).differs("code 5, goes on", garbled)},
		"empty extension":    {send(frame(fields(wire.Extended, uint32(7), "")))},
	}
	return all
}
