// This file is not of golang.org/x/crypto: third_party/README.md says what it is for.

package ssh

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A receiving is a channel that a test serves by receiving.
type receiving interface {
	Channel
	Receive(b []byte) (int, error)
	WriteMore(b []byte) (int, error)
	Flush() error
}

// A wire is one end of a connection that takes all that is written.
type wire struct {
	net.Conn
	in, out *buffer
}

func newWire() (near, far wire) {
	one, _ := net.Pipe() // for its addresses and deadlines
	a, b := newBuffer(), newBuffer()
	return wire{one, a, b}, wire{one, b, a}
}

func (w wire) Read(b []byte) (int, error) { return w.in.Read(b) }

func (w wire) Write(b []byte) (int, error) {
	if len(b) > 0 {
		w.out.write(bytes.Clone(b))
	}
	return len(b), nil
}

func (w wire) Close() error {
	w.in.eof()
	w.out.eof()
	return nil
}

func testKey(t *testing.T) Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// connect returns a client, and the channels that its server accepts. All ends with
// the test.
func connect(t *testing.T, config Config) (*Client, <-chan receiving, *ServerConn) {
	t.Helper()
	near, far := newWire()
	server := &ServerConfig{Config: config, NoClientAuth: true}
	server.AddHostKey(testKey(t))
	served := make(chan *ServerConn, 1)
	accepted := make(chan receiving, 10)
	go func() { // ends with the connection
		conn, channels, requests, err := NewServerConn(far, server)
		served <- conn
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(true, nil)
			}
		}()
		for n := range channels {
			ch, requests, err := n.Accept()
			if err != nil {
				return
			}
			go DiscardRequests(requests)
			accepted <- ch.(receiving)
		}
	}()
	conn, channels, requests, err := NewClientConn(near, "", &ClientConfig{Config: config, User: "x", HostKeyCallback: InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(conn, channels, requests)
	t.Cleanup(func() { client.Close() })
	return client, accepted, <-served
}

func open(t *testing.T, client *Client) Channel {
	t.Helper()
	ch, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go DiscardRequests(requests)
	return ch
}

// echo answers all that comes, and flushes nothing. It ends with the channel.
func echo(ch receiving) error {
	b := make([]byte, 10_000)
	for {
		n, err := ch.Receive(b)
		if err == io.EOF {
			return ch.CloseWrite()
		}
		if err != nil {
			return err
		}
		if _, err := ch.WriteMore(b[:n]); err != nil {
			return err
		}
	}
}

// All comes in its order and all is answered, while keys are exchanged again and
// again, more than a window is filled, and requests of the connection come between.
func TestReceive(t *testing.T) {
	for name, config := range map[string]Config{
		"gcm":      {Ciphers: []string{CipherAES128GCM}},
		"other":    {Ciphers: []string{CipherChaCha20Poly1305}},
		"new keys": {RekeyThreshold: 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			client, accepted, _ := connect(t, config)
			ch := open(t, client)
			var all sync.WaitGroup
			defer all.Wait()
			server := <-accepted
			all.Go(func() { // ends with the channel
				if err := echo(server); err != nil {
					t.Errorf("the server: %v", err)
				}
			})
			sent := make([]byte, channelWindowSize*5/4)
			rand.Read(sent)
			all.Go(func() { // ends when all is sent
				for i, b := 0, sent; len(b) > 0; i++ {
					n := min(len(b), 1+i*7919%70_000)
					ch.Write(b[:n])
					b = b[n:]
				}
				ch.CloseWrite()
			})
			all.Go(func() {
				for range 100 {
					if ok, _, err := client.SendRequest("ping", true, nil); !ok || err != nil {
						t.Errorf("a request was answered by %v, %v", ok, err)
						return
					}
				}
			})
			if got, err := io.ReadAll(ch); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d of %d bytes came back, or others, %v", len(got), len(sent), err)
			}
		})
	}
}

// A reader that is busy, for however long, stops nobody else on its connection.
func TestBusyReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, accepted, _ := connect(t, Config{})
		ch := open(t, client)
		server := <-accepted
		for range 3 {
			go ch.Write([]byte("x"))
			if _, err := server.Receive(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if ok, _, err := client.SendRequest("ping", true, nil); !ok || err != nil {
				t.Fatalf("a request was answered by %v, %v", ok, err)
			}
			other := open(t, client)
			<-accepted
			other.Close()
			if took := time.Since(start); took > 2*patience {
				t.Errorf("it took %v", took)
			}
		}
	})
}

// Who waits for the peer's window waits no longer than for that.
func TestWindowComesWhileTheReaderWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, accepted, _ := connect(t, Config{})
		ch := open(t, client)
		server := <-accepted
		go ch.Write([]byte("xx"))
		for range 2 { // the second time by itself
			if _, err := server.Receive(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		go func() { // ends when all is written
			server.Write(make([]byte, 5*channelWindowSize))
			server.CloseWrite()
		}()
		n, err := io.Copy(io.Discard, ch)
		if n != 5*channelWindowSize || err != nil {
			t.Errorf("%d bytes came, %v", n, err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// Several channels are served side by side: none waits for the reader of another.
func TestReceiversOfSeveralChannels(t *testing.T) {
	client, accepted, _ := connect(t, Config{})
	var all sync.WaitGroup
	defer all.Wait()
	for range 3 {
		ch := open(t, client)
		server := <-accepted
		all.Go(func() { echo(server) }) // ends with the channel
		all.Go(func() {
			defer ch.Close()
			got := make([]byte, 5000)
			for range 200 {
				sent := make([]byte, len(got))
				rand.Read(sent)
				ch.Write(sent)
				if _, err := io.ReadFull(ch, got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("other bytes came back, %v", err)
					return
				}
			}
		})
	}
}

// Nor for the time after which somebody else receives in the place of a busy reader.
func TestBusyReaderOfAnotherChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, accepted, _ := connect(t, Config{})
		one, other := open(t, client), open(t, client)
		busy, server := <-accepted, <-accepted
		b := make([]byte, 1)
		for range 3 {
			go one.Write(b)
			if _, err := busy.Receive(b); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		go other.Write(b)
		if _, err := server.Receive(b); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// listed is a connection that receives what is listed.
type listed struct {
	keyingTransport
	packets chan []byte
}

func (l listed) readPacket() ([]byte, error) { return <-l.packets, nil }

// A packet is handled where it is received only if nothing before it waits to be
// handled, or is being handled: or data would come before what was sent first.
func TestNothingIsHandledBeforeWhatCameFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := listed{packets: make(chan []byte, 10)}
		transport := newHandshakeTransport(conn, &Config{}, nil, nil)
		var handled string
		transport.handleWith(func(p []byte, _ *loan) (bool, error) {
			if p[0] != msgChannelData {
				return false, nil
			}
			handled += string(p[1:])
			return true, nil
		})
		receive := func(kind byte, name string, queued bool) {
			t.Helper()
			conn.packets <- append([]byte{kind}, name...)
			if got, err := transport.receiveOne(false); got != queued || err != nil {
				t.Errorf("packet %s: queued %v, %v", name, got, err)
			}
		}
		read := func(want string) {
			t.Helper()
			if p, err := transport.readPacket(); err != nil || string(p[1:]) != want {
				t.Errorf("read %q, %v, want %q", p, err, want)
			}
		}
		receive(msgChannelData, "a", false)
		receive(msgGlobalRequest, "b", true)
		receive(msgChannelData, "c", true)
		read("b")
		receive(msgChannelData, "d", true)
		read("c")
		read("d")
		receive(msgChannelData, "e", true) // d may be in the works
		read("e")
		go transport.readPacket() // ends with the next packet that is queued
		synctest.Wait()
		receive(msgChannelData, "f", false)
		receive(msgGlobalRequest, "g", true)
		if handled != "af" {
			t.Errorf("%q was handled where it was received", handled)
		}
	})
}

// The end of a connection is that of whoever receives, in its midst or beside it.
func TestReceiveEnds(t *testing.T) {
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			client, accepted, conn := connect(t, Config{})
			ch := open(t, client)
			server := <-accepted
			for range 2 {
				go ch.Write([]byte("x"))
				server.Receive(make([]byte, 1))
			}
			ended := make(chan error, 1)
			receive := func() {
				_, err := server.Receive(make([]byte, 1))
				ended <- err
			}
			if !busy {
				go receive()
				synctest.Wait()
			}
			client.Close()
			if busy {
				conn.Wait()
				go receive()
			}
			if err := <-ended; !errors.Is(err, io.EOF) {
				t.Errorf("it ended with %v", err)
			}
			conn.Wait()
		})
	}
}

// What cannot be decrypted ends the connection, whoever received it.
func TestForgedPacketEndsReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, accepted, conn := connect(t, Config{Ciphers: []string{CipherAES128GCM}})
		ch := open(t, client)
		server := <-accepted
		for range 2 {
			go ch.Write([]byte("x"))
			server.Receive(make([]byte, 1))
		}
		go client.Conn.(*connection).sshConn.conn.Write(append([]byte{0, 0, 0, 32}, make([]byte, 48)...))
		if n, err := server.Receive(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d bytes came, %v", n, err)
		}
		if err := conn.Wait(); err == nil || err == io.EOF {
			t.Errorf("it ended with %v", err)
		}
	})
}

// A reader that is slow at much that came at once has its packets received for it: what
// was sent behind them, a request or a channel, is heard of while they are worked on.
func TestSlowReaderOfMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, accepted, _ := connect(t, Config{})
		ch := open(t, client)
		server := <-accepted
		const many = 200
		var all sync.WaitGroup
		defer all.Wait()
		all.Go(func() { // ends when all is read
			for range many {
				if _, err := server.Receive(make([]byte, 1)); err != nil {
					t.Error(err)
				}
				time.Sleep(patience * 3 / 4)
			}
		})
		for range many {
			ch.Write([]byte("x"))
		}
		start := time.Now()
		if ok, _, err := client.SendRequest("ping", true, nil); !ok || err != nil {
			t.Fatalf("a request was answered by %v, %v", ok, err)
		}
		if took := time.Since(start); took > 3*patience {
			t.Errorf("it took %v", took)
		}
	})
}

// Whoever breaks the protocol is told off once: what it sent behind that holds nobody,
// however much it is.
func TestNobodyIsHeldByWhatFollowsABreach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, accepted, conn := connect(t, Config{})
		ch := open(t, client)
		server := <-accepted
		for range 2 {
			go ch.Write([]byte("x"))
			server.Receive(make([]byte, 1))
		}
		go func() { // ends with the connection
			transport := client.Conn.(*connection).transport
			transport.writePacket([]byte{255})
			for range 3 * chanSize {
				transport.writePacket(Marshal(globalRequestMsg{Type: "x"}))
			}
		}()
		if n, err := server.Receive(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d bytes came, %v", n, err)
		}
		conn.Wait()
	})
}

// A stranger holds nobody either, with what it sent behind a login that failed.
func TestNobodyIsHeldByWhatFollowsAFailedLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newWire()
		server := &ServerConfig{NoClientAuth: true}
		server.AddHostKey(testKey(t))
		go func() { // ends when the client has written all
			raw := newTransport(near, rand.Reader, true)
			near.Write([]byte("SSH-2.0-x\r\n"))
			readVersion(near)
			client := newClientTransport(raw, []byte("SSH-2.0-x"), []byte(packageVersion), &ClientConfig{
				Config: *withDefaults(), HostKeyCallback: InsecureIgnoreHostKey(),
			}, "", nil)
			if err := client.waitSession(); err != nil {
				t.Error(err)
			}
			client.writePacket(Marshal(serviceRequestMsg{Service: "other"}))
			for range 3 * chanSize {
				client.writePacket(make([]byte, 1<<10))
			}
		}()
		if _, _, _, err := NewServerConn(far, server); err == nil {
			t.Error("it was served")
		}
	})
}

func withDefaults() *Config {
	c := &Config{}
	c.SetDefaults()
	return c
}

// panicking is a connection that panics when it is read again.
type panicking struct {
	keyingTransport
	packets chan []byte
}

func (p panicking) readPacket() ([]byte, error) {
	b, more := <-p.packets
	if !more {
		panic("boom")
	}
	return b, nil
}

func (panicking) Close() error { return nil }

// A panic where packets are received ends the connection, whoever recovers from it.
func TestPanicOfTheReceiverEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := panicking{packets: make(chan []byte)}
		transport := newHandshakeTransport(conn, &Config{}, nil, nil)
		transport.sessionID = []byte{1}
		go func() { // ends with the connection
			for kex := range transport.startKex {
				kex.done <- nil
			}
		}()
		go transport.readLoop()
		synctest.Wait()
		woken := make(chan struct{}, 1)
		wake := func() { woken <- struct{}{} }
		never := func() bool { return false }
		if transport.receive(never, wake) {
			t.Fatal("the loop had not the turn")
		}
		conn.packets <- []byte{msgKexInit}
		<-woken
		close(conn.packets)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			transport.receive(never, wake)
		}()
		if _, err := transport.readPacket(); err != errReceiver {
			t.Errorf("it ended with %v", err)
		}
	})
}
