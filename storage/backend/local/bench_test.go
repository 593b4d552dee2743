package local_test

import (
	"fmt"
	"io"
	"os"
	"testing"

	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
)

// What a safe resolution costs, next to a path of the machine.
func BenchmarkOpenFourDeep(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(dir+"/a/b/c", 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a/b/c/f", nil, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("unsafely", func(b *testing.B) {
		for b.Loop() {
			f, err := os.Open(dir + "/a/b/c/f")
			if err != nil {
				b.Fatal(err)
			}
			_ = f.Close()
		}
	})
	for name, way := range ways {
		back, err := local.Open(dir, local.Options{Resolve: way})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := back.Open(b.Context(), at("/a/b/c/f"), backend.How{Read: true})
				if err != nil {
					b.Fatal(err)
				}
				_ = f.Close()
			}
		})
		_ = back.Close()
	}
}

func BenchmarkListThousand(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		if err := os.WriteFile(fmt.Sprint(dir, "/", i), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	back, err := local.Open(dir, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer back.Close()
	for b.Loop() {
		d, err := back.List(b.Context(), at("/"))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = d.Next(250)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		_ = d.Close()
	}
}
