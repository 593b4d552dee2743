package subsystem

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/semaphore"

	"gatehouse/protocols/sftp/buffers"
	"gatehouse/protocols/sftp/wire"
)

// small is the size up to which a packet is read into memory of the channel's
// own; payloads are read into borrowed memory.
const small = 1 << 10

// packets frames the requests of a channel.
type packets struct {
	from    *bufio.Reader
	pool    *buffers.Pool
	scratch [small]byte
	stalled time.Duration
	timer   *time.Timer
	// flush is called before anything but the peer is waited for.
	flush func()
}

// A packet is one request's bytes, and what it holds of a pool and of memory.
type packet struct {
	bytes  []byte
	pool   *buffers.Pool // nil where the bytes are not borrowed
	memory *semaphore.Weighted
	weight int64
}

// free gives back what the packet holds, once.
func (p packet) free() {
	if p.pool != nil {
		p.pool.Put(p.bytes)
	}
	if p.weight > 0 {
		p.memory.Release(p.weight)
	}
}

func newPackets(from io.Reader, pool *buffers.Pool, stalled time.Duration, cut func(error), flush func()) *packets {
	if r, ok := from.(receiver); ok {
		from = receiving{r}
	}
	p := &packets{from: bufio.NewReader(from), pool: pool, stalled: stalled, flush: flush}
	p.timer = time.AfterFunc(stalled, func() { cut(ErrStalled) })
	p.timer.Stop()
	return p
}

// receiving reads by receiving.
type receiving struct{ from receiver }

func (r receiving) Read(b []byte) (int, error) { return r.from.Receive(b) }

func (p *packets) stop() { p.timer.Stop() }

// next returns the next packet. Its length is checked before a byte of it is
// read, and room for its payload is taken from memory, which may have to wait
// for payloads that are under way. A packet once begun must go on coming.
func (p *packets) next(ctx context.Context, memory *semaphore.Weighted) (packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.from, head[:]); err != nil {
		return packet{}, ended(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > wire.MaxPacket {
		return packet{}, fmt.Errorf("%w: a packet of %d bytes", ErrProtocol, n)
	}
	if n <= small {
		return p.nextSmall(ctx, p.scratch[:n], memory)
	}
	weight := max(int64(n), least)
	if err := p.reserve(ctx, memory, weight); err != nil {
		return packet{}, err
	}
	got := packet{p.pool.Get(int(n)), p.pool, memory, weight}
	if err := p.fill(got.bytes); err != nil {
		got.free()
		return packet{}, err
	}
	return got, nil
}

// nextSmall reads a packet into b, which the next one overwrites. A write is
// still under way then, so it is copied and counted.
func (p *packets) nextSmall(ctx context.Context, b []byte, memory *semaphore.Weighted) (packet, error) {
	if err := p.fill(b); err != nil || wire.Type(b[0]) != wire.Write {
		return packet{bytes: b}, err
	}
	if err := p.reserve(ctx, memory, least); err != nil {
		return packet{}, err
	}
	return packet{bytes: bytes.Clone(b), memory: memory, weight: least}, nil
}

// reserve takes memory, which may have to wait for requests that are under way. What
// was answered before does not wait with it.
func (p *packets) reserve(ctx context.Context, memory *semaphore.Weighted, weight int64) error {
	if memory.TryAcquire(weight) {
		return nil
	}
	p.flush()
	if err := memory.Acquire(ctx, weight); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (p *packets) fill(b []byte) error {
	defer p.timer.Stop()
	for len(b) > 0 {
		p.timer.Reset(p.stalled)
		n := min(len(b), Piece)
		if _, err := io.ReadFull(p.from, b[:n]); err != nil {
			return fmt.Errorf("%w: it ended within a packet", ErrProtocol)
		}
		b = b[n:]
	}
	return nil
}

// ended tells an end between packets from one within the length of one.
func ended(err error) error {
	if err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ended within a packet", ErrProtocol)
	}
	return err
}
