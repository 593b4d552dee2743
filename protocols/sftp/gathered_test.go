package sftp_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp/buffered"
	"gatehouse/protocols/sftp/buffers"
)

// The SSH library in use is the copy that gathers packets: one without the
// changes would serve as well, and nobody would see why it is slower. Over several
// windows of the peer nothing is lost, and nobody waits for ever.
func TestTransportGathers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const pieces, size = 300, 32 << 10 // several windows of the client
	key := protocoltest.NewKey(t)
	served := make(chan error, 1)
	go func() { served <- sendMore(l, key, pieces, size) }() // ends with the connection
	client, err := ssh.Dial("tcp", l.Addr().String(), &ssh.ClientConfig{User: "x", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ch, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	got := make([]byte, pieces*size+len("end"))
	if _, err := io.ReadFull(ch, got); err != nil || string(got[pieces*size:]) != "end" {
		t.Errorf("%q came last, %v", got[pieces*size:], err)
	}
	client.Close()
	if err := <-served; err != nil {
		t.Errorf("the server: %v", err)
	}
}

// sendMore sends pieces that more is to follow, and the end, over the channel of
// one connection. It returns when the client is gone.
func sendMore(l net.Listener, key ssh.Signer, pieces, size int) error {
	raw, err := l.Accept()
	if err != nil {
		return err
	}
	c := buffered.New(raw, &buffers.Pool{})
	defer c.Close()
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(key)
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	ch, requests, err := (<-channels).Accept()
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	gathering, ok := ch.(interface{ WriteMore([]byte) (int, error) })
	if !ok {
		return errors.New("a channel gathers nothing")
	}
	for range pieces {
		if _, err := gathering.WriteMore(make([]byte, size)); err != nil {
			return err
		}
	}
	if _, err := ch.Write([]byte("end")); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, ch)
	return err
}
