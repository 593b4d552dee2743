package main

import (
	"context"
	"slices"
	"time"
)

// A unit is what a work is counted in.
type unit string

const (
	gibibytes  unit = "GiB"
	operations unit = "op"
	sessions   unit = "session"
	transfers  unit = "transfer"
	hashes     unit = "hash"
)

// A work is one row of the table: something that clients do through one door.
type work struct {
	name    string // what -run selects by
	title   string
	door    door
	unit    unit
	servers []string // beside the gateway and the floor
	anew    bool     // the server is started for each sample: what it did before is forgotten
	onDisk  bool     // is also of interest with the data on a disk
	prepare func(context.Context, *server) error
	run     func(context.Context, *meter) error
	goals   []goal
}

// concerns reports whether a server takes part.
func (w *work) concerns(name string) bool {
	return name == gatewayName || w.unit != hashes && name == floorName || slices.Contains(w.servers, name)
}

// sizes is how much is done.
type sizes struct {
	large    int64 // of the one file that is moved
	files    int   // small ones
	entries  int   // of the long list
	conns    int   // of SFTP and FTP
	requests int   // over HTTP at a time
	sessions int   // that idle
	moved    int64 // by each session that rests
	resting  int   // sessions that rest
	rest     time.Duration
	logins   int
}

const small = 4096 // bytes of a small file

var (
	whole = sizes{large: 1 << 30, files: 4000, entries: 20_000, conns: 8, requests: 16, sessions: 200, moved: 64 << 20, resting: 8, rest: 10 * time.Second, logins: 50}
	short = sizes{large: 64 << 20, files: 400, entries: 2000, conns: 8, requests: 16, sessions: 40, moved: 16 << 20, resting: 4, rest: time.Second, logins: 10}
)

// Names of what all servers hold below their roots.
const (
	bigFile    = "big"      // one large file
	listFolder = "list"     // many entries
	fileFolder = "files"    // small files, to be read
	inFolder   = "in"       // small files that were uploaded
	uploaded   = "uploaded" // the large file that was
)
