package subsystem

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"gatehouse/protocols/sftp/buffers"
	"gatehouse/protocols/sftp/wire"
)

func framed(packets ...[]byte) []byte {
	var b []byte
	for _, p := range packets {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func reading(from io.Reader) *packets {
	return newPackets(from, &buffers.Pool{}, time.Minute, func(error) {}, func() {})
}

func TestFraming(t *testing.T) {
	stat := []byte{byte(wire.Stat), 0, 0, 0, 1}
	write := append([]byte{byte(wire.Write)}, make([]byte, 100)...)
	large := append([]byte{byte(wire.Write)}, bytes.Repeat([]byte{7}, wire.MaxPacket-1)...)
	in := reading(bytes.NewReader(framed(stat, write, large, stat)))
	memory := semaphore.NewWeighted(inFlight)
	for i, want := range [][]byte{stat, write, large, stat} {
		p, err := in.next(t.Context(), memory)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.bytes, want) {
			t.Errorf("packet %d came as %d bytes, want %d", i, len(p.bytes), len(want))
		}
		p.free()
	}
	if _, err := in.next(t.Context(), memory); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if !memory.TryAcquire(inFlight) {
		t.Error("memory was not given back")
	}
}

// A length is judged before anything is read or reserved for it.
func TestFramingRefusesLengths(t *testing.T) {
	for _, n := range []uint32{0, wire.MaxPacket + 1, 1 << 31, 1<<32 - 1} {
		in := reading(bytes.NewReader(binary.BigEndian.AppendUint32(nil, n)))
		if _, err := in.next(t.Context(), semaphore.NewWeighted(inFlight)); !errors.Is(err, ErrProtocol) {
			t.Errorf("a packet of %d bytes: %v", n, err)
		}
	}
}

func TestFramingEndsWithinPacket(t *testing.T) {
	whole := framed(append([]byte{byte(wire.Write)}, make([]byte, 5000)...))
	for _, n := range []int{1, 3, 4, 5, len(whole) - 1} {
		memory := semaphore.NewWeighted(inFlight)
		in := reading(bytes.NewReader(whole[:n]))
		if _, err := in.next(t.Context(), memory); !errors.Is(err, ErrProtocol) {
			t.Errorf("cut off after %d bytes: %v", n, err)
		}
		if !memory.TryAcquire(inFlight) {
			t.Errorf("cut off after %d bytes: memory was not given back", n)
		}
	}
}

// A small write is still being written when the next packet is read: it must
// not lie in memory that the next one overwrites.
func TestSmallWritesAreNotOverwritten(t *testing.T) {
	first := append([]byte{byte(wire.Write)}, "first"...)
	second := append([]byte{byte(wire.Write)}, "other"...)
	in := reading(bytes.NewReader(framed(first, second)))
	memory := semaphore.NewWeighted(inFlight)
	p, _ := in.next(t.Context(), memory)
	in.next(t.Context(), memory)
	if !bytes.Equal(p.bytes, first) {
		t.Errorf("the first packet became %q", p.bytes)
	}
}

// What was answered is not held back while a request waits for others that are slow.
func TestAnswersDoNotWaitForMemory(t *testing.T) {
	for _, size := range []int{10, 10 * small} {
		synctest.Test(t, func(t *testing.T) {
			memory := semaphore.NewWeighted(inFlight)
			in := reading(bytes.NewReader(framed(append([]byte{byte(wire.Write)}, make([]byte, size)...))))
			flushed := 0
			in.flush = func() { flushed++ }
			memory.Acquire(t.Context(), inFlight)
			go in.next(t.Context(), memory) // ends when there is memory
			synctest.Wait()
			if flushed != 1 {
				t.Errorf("with %d bytes: flushed %d times", size, flushed)
			}
			memory.Release(inFlight)
		})
	}
}

// However many writes a client sends, what they hold is bounded: the next one
// is not read before one that is under way is done.
func TestPayloadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := append([]byte{byte(wire.Write)}, make([]byte, 100)...)
		in := reading(bytes.NewReader(bytes.Repeat(framed(one), 1000)))
		memory := semaphore.NewWeighted(inFlight)
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan packet, 1000)
		go func() { // ends when ctx does
			for {
				p, err := in.next(ctx, memory)
				if err != nil {
					return
				}
				read <- p
			}
		}()
		synctest.Wait()
		if n := len(read); n != inFlight/least {
			t.Errorf("%d small writes are under way, want %d", n, inFlight/least)
		}
		(<-read).free()
		synctest.Wait()
		if n := len(read); n != inFlight/least {
			t.Errorf("%d are under way after one was done", n)
		}
		cancel()
	})
}

// A client that sends half a packet and no more is cut; one that is slow but
// goes on is not.
func TestStalledSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer r.Close()
		cut := make(chan error, 1)
		in := newPackets(r, &buffers.Pool{}, time.Minute, func(cause error) { cut <- cause }, func() {})
		go in.next(t.Context(), semaphore.NewWeighted(inFlight)) // ends with the pipe
		packet := framed(append([]byte{byte(wire.Write)}, make([]byte, 200<<10)...))
		for len(packet) > 100<<10 {
			n, _ := w.Write(packet[:20<<10])
			packet = packet[n:]
			time.Sleep(20 * time.Second)
		}
		if len(cut) != 0 {
			t.Fatalf("a slow sender was cut: %v", <-cut)
		}
		time.Sleep(2 * time.Minute)
		if len(cut) == 0 || !errors.Is(<-cut, ErrStalled) {
			t.Error("a stalled sender was not cut")
		}
	})
}

func FuzzFraming(f *testing.F) {
	f.Add(framed([]byte{1, 0, 0, 0, 3}, append([]byte{6}, make([]byte, 2000)...)))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 4, 0, 0, 6})
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := reading(bytes.NewReader(stream))
		memory := semaphore.NewWeighted(inFlight)
		var total int
		for {
			p, err := in.next(t.Context(), memory)
			if err != nil {
				if err != io.EOF && !errors.Is(err, ErrProtocol) {
					t.Fatalf("another error: %v", err)
				}
				break
			}
			wire.Parse(p.bytes)
			total += 4 + len(p.bytes)
			p.free()
		}
		if total > len(stream) {
			t.Fatalf("%d bytes out of %d", total, len(stream))
		}
		if !memory.TryAcquire(inFlight) {
			t.Fatal("memory was not given back")
		}
	})
}
