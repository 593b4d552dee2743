//go:build !linux

package sendfile

import "os"

const least = 0

// send leaves everything to the connection.
func send(Conn, *os.File, int64) (done int64, mapped bool, err error) { return 0, false, nil }
