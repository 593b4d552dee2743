package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"gatehouse/storage/state"
)

// A format says what a file looks like. The version is part of every file from
// the first one; a step brings a file from its version to the next.
type format struct {
	version uint64
	buckets [][]byte
	steps   map[uint64]func(tx *bbolt.Tx) error
}

// Buckets. A key that begins with a scope or a stream has a NUL after it.
var (
	metaBucket     = []byte("meta")
	scopesBucket   = []byte("scopes")   // scope: revision
	recordsBucket  = []byte("records")  // scope, name: version, revision, end, value
	countersBucket = []byte("counters") // scope, name: version, end, JSON
	changesBucket  = []byte("changes")  // scope, revision: the changes of a batch
	orderBucket    = []byte("order")    // number of a batch: its key in changes
	madeBucket     = []byte("made")     // kind, scope, operation id: what it returned
	expiryBucket   = []byte("expiry")   // time, bucket, key there: nothing
	// Of the file that had the streams before format 2.
	streamsBucket = []byte("streams") // stream: last position, last one trimmed
	entriesBucket = []byte("entries") // stream, position: version, time, value
)

var (
	// Since format 2 the streams are in the journal: migrateStreams.
	stateFormat = format{version: 2, buckets: [][]byte{
		scopesBucket, recordsBucket, countersBucket, changesBucket, orderBucket, madeBucket, expiryBucket,
	}, steps: map[uint64]func(*bbolt.Tx) error{1: unchanged}}
	// oldStreams is the file that had them before.
	oldStreams = format{version: 1}
)

func unchanged(*bbolt.Tx) error { return nil }

// Keys of the meta bucket.
var (
	formatKey  = []byte("format")
	loadingKey = []byte("loading")
)

// lockPatience is how long a gateway that is just ending is waited for.
const lockPatience = 500 * time.Millisecond

func openFile(path string) (*bbolt.DB, error) {
	o := bbolt.Options{
		Timeout:         lockPatience,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: addressSpace(),
		NoStatistics:    true,
	}
	db, err := bbolt.Open(path, 0o600, &o)
	if errors.Is(err, syscall.ENOMEM) { // address space is limited here
		o.InitialMmapSize = 0
		db, err = bbolt.Open(path, 0o600, &o)
	}
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrInUse
	}
	return db, err
}

// addressSpace is mapped from the start: a file that outgrows its mapping waits
// for all readers, a dump among them.
func addressSpace() int {
	if strconv.IntSize < 64 {
		return 0
	}
	return 8 << 30
}

// fresh is the version of a file that has nothing in it.
const fresh = ^uint64(0)

// inspect returns the version of a file that this program can use.
func (f format) inspect(db *bbolt.DB) (version uint64, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return errors.New("it is not a file of this program")
			}
			version = fresh
			return nil
		}
		value := meta.Get(formatKey)
		if len(value) != 8 {
			return errors.New("its format version cannot be read")
		}
		version = binary.BigEndian.Uint64(value)
		if version > f.version {
			return fmt.Errorf("%w: it has format %d, this program knows %d", state.ErrNewer, version, f.version)
		}
		return nil
	})
	return version, err
}

// prepare makes a fresh file, or brings an older one to the present format after
// a copy was made of it.
func (f format) prepare(db *bbolt.DB, version uint64) error {
	if version == fresh {
		return db.Update(f.make)
	}
	if version == f.version {
		return nil
	}
	if err := snapshot(db, old(db.Path(), version)); err != nil {
		return fmt.Errorf("copy it before it is migrated: %w", err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error { return f.migrate(tx, version) }); err != nil {
		return fmt.Errorf("migrate it from format %d: %w", version, err)
	}
	return nil
}

// old is where a file is kept as it was in a format.
func old(path string, version uint64) string { return fmt.Sprintf("%s.format-%d", path, version) }

// broken reports that a loading of a file broke off.
func broken(db *bbolt.DB) (found bool, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		found = tx.Bucket(metaBucket).Get(loadingKey) != nil
		return nil
	})
	return found, err
}

func (f format) make(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	for _, name := range f.buckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return meta.Put(formatKey, number(f.version))
}

// empty takes out everything and ends a loading.
func (f format) empty(tx *bbolt.Tx) error {
	for _, name := range f.buckets {
		if err := tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return err
		}
	}
	if err := tx.Bucket(metaBucket).Delete(loadingKey); err != nil {
		return err
	}
	return f.make(tx)
}

// migrate takes all steps in one transaction: a file is old or new, never between.
func (f format) migrate(tx *bbolt.Tx, version uint64) error {
	for v := version; v < f.version; v++ {
		step := f.steps[v]
		if step == nil {
			return fmt.Errorf("there is no way from format %d", v)
		}
		if err := step(tx); err != nil {
			return err
		}
	}
	return f.make(tx)
}

// snapshot copies a file as it is now; the copy appears whole or not at all.
func snapshot(db *bbolt.DB, path string) (err error) {
	aside, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside.Name()))
		}
	}()
	err = db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(aside)
		return err
	})
	if err == nil {
		err = aside.Sync()
	}
	if err = errors.Join(err, aside.Close()); err != nil {
		return err
	}
	if err := os.Rename(aside.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
