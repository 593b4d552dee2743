package local_test

import (
	"testing"

	"gatehouse/storage/backend"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/backend/local"
)

// ways are the two ways to resolve names; each passes everything.
var ways = map[string]local.Resolve{"by kernel": local.ByKernel, "by name": local.ByName}

func open(t *testing.T, dir string, o local.Options) *local.Backend {
	t.Helper()
	b, err := local.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBackend(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backend.Backend {
				return open(t, t.TempDir(), local.Options{Resolve: way})
			})
		})
	}
}
