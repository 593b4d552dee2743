package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"gatehouse/storage/state"
)

// errDamaged says that bytes in a file are not what was written there.
var errDamaged = errors.New("the state file is damaged")

// encoding is the version of the values of records, counters and entries.
const encoding = 1

// key is a name in a scope. No scope has a NUL, so scopes do not mix and sort
// as bytes.
func key(scope, name string) []byte {
	k := make([]byte, 0, len(scope)+1+len(name))
	k = append(k, scope...)
	k = append(k, 0)
	return append(k, name...)
}

// split is the inverse of key.
func split(k []byte) (scope, name string, ok bool) {
	a, b, ok := bytes.Cut(k, []byte{0})
	return string(a), string(b), ok
}

func numbered(scope string, n uint64) []byte {
	return binary.BigEndian.AppendUint64(key(scope, ""), n)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// numberIn reads the i-th number of a value; 0 where there is none.
func numberIn(b []byte, i int) uint64 {
	if len(b) < 8*(i+1) {
		return 0
	}
	return binary.BigEndian.Uint64(b[8*i:])
}

// instant is a time as a number that sorts; 0 for the zero time.
func instant(t time.Time) uint64 {
	switch {
	case t.IsZero():
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return uint64(max(t.UnixNano(), 1))
}

func timeOf(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC()
}

func encodeRecord(r state.Record) []byte {
	b := make([]byte, 0, 17+len(r.Value))
	b = append(b, encoding)
	b = binary.BigEndian.AppendUint64(b, r.Revision)
	b = binary.BigEndian.AppendUint64(b, instant(r.Expires))
	return append(b, r.Value...)
}

// decodeRecord returns a record that shares nothing with b.
func decodeRecord(name string, b []byte) (state.Record, error) {
	if len(b) < 17 || b[0] != encoding {
		return state.Record{}, fmt.Errorf("%w: record %q", errDamaged, name)
	}
	return state.Record{
		Name: name, Value: bytes.Clone(b[17:]),
		Revision: numberIn(b[1:], 0), Expires: timeOf(numberIn(b[1:], 1)),
	}, nil
}

// A timed value is a version, a time and bytes: a counter with its end, or an
// entry with when it was appended.
func encodeTimed(t time.Time, value []byte) []byte {
	b := make([]byte, 0, 9+len(value))
	b = append(b, encoding)
	b = binary.BigEndian.AppendUint64(b, instant(t))
	return append(b, value...)
}

// decodeTimed returns a value that is part of b.
func decodeTimed(b []byte) (time.Time, []byte, error) {
	if len(b) < 9 || b[0] != encoding {
		return time.Time{}, nil, fmt.Errorf("%w: counter or entry", errDamaged)
	}
	return timeOf(numberIn(b[1:], 0)), b[9:], nil
}

func expired(end, now time.Time) bool { return !end.IsZero() && !end.After(now) }
