package transfer

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

func openBolt(t *testing.T) state.Store {
	t.Helper()
	s, err := bolt.Open(t.TempDir(), bolt.Options{})
	return opened(t, s, err)
}

func openRedis(t *testing.T, url string) state.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), redis.Options{URL: url})
	return opened(t, s, err)
}

func opened(t *testing.T, s state.Store, err error) state.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, state.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// What a gateway has kept in its data folder comes to Redis and back as it was.
func TestBoltAndRedis(t *testing.T) {
	there := openRedis(t, redistest.Start(t).URL())
	thereAndBack(t, openBolt(t), there, openBolt(t))
}

func TestRedisAndBolt(t *testing.T) {
	server := redistest.Start(t)
	from := openRedis(t, server.URL())
	to, err := redis.Open(t.Context(), redis.Options{URL: server.URL() + "/1"})
	thereAndBack(t, from, openBolt(t), opened(t, to, err))
}

// A Cluster holds what a data folder did.
func TestBoltAndCluster(t *testing.T) {
	there := openRedis(t, redistest.StartCluster(t).URL())
	thereAndBack(t, openBolt(t), there, openBolt(t))
}

func thereAndBack(t *testing.T, from, there, back state.Store) {
	t.Helper()
	fill(t, from)
	before := lasting(t, from)
	sum, err := Copy(t.Context(), from, there)
	if err != nil || without(sum) != want {
		t.Fatalf("there: %+v, %v; want %+v", sum, err, want)
	}
	if again, err := Copy(t.Context(), there, back); err != nil || again != sum {
		t.Errorf("and back: %+v, %v; want %+v", again, err, sum)
	}
	if after := lasting(t, back); !reflect.DeepEqual(after, before) {
		t.Errorf("what came back is not what went:\n got %+v\nwant %+v", after, before)
	}
	if after := lasting(t, from); !reflect.DeepEqual(after, before) {
		t.Errorf("the source was changed:\n got %+v\nwant %+v", after, before)
	}
}

// lasting is a dump without the counters, of which each kind of store has its
// own order, and without what ends while the test runs.
func lasting(t *testing.T, s state.Store) []state.Item {
	t.Helper()
	var items []state.Item
	for item, err := range s.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Kind == state.ItemCounter || item.Name == "at once" || item.Name == "soon" || item.Kind == state.ItemScope && item.Revision == 0 {
			continue
		}
		if !item.Expires.IsZero() {
			item.Expires = item.Expires.Round(0).UTC()
		}
		item.Value = append([]byte{}, item.Value...)
		items = append(items, item)
	}
	slices.SortStableFunc(items, func(a, b state.Item) int { return placeOf(a).compare(placeOf(b)) })
	return items
}

// Redis ends in the middle of a copy, and is started again with what it had
// written: the copy is made anew as if nothing had been.
func TestRedisEndsMeanwhile(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	from := openBolt(t)
	fill(t, from)
	to := openRedis(t, server.URL())
	n := 0
	ends := each(func(*state.Item) bool {
		if n++; n == 60 {
			server.Kill(t)
		}
		return true
	})
	if _, err := Copy(t.Context(), broken{from, ends}, to); !errors.Is(err, state.ErrAway) {
		t.Fatalf("got %v, want ErrAway", err)
	}
	server.Start(t)
	server.Do(t, "DEL", "gh:loading:lease") // it ends by itself, in two minutes
	if sum, err := Copy(t.Context(), from, openRedis(t, server.URL())); err != nil || without(sum) != want {
		t.Errorf("again: %+v, %v; want %+v", sum, err, want)
	}
}
