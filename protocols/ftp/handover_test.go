package ftp

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Whatever comes in before the hand-over of a connection to another goroutine, in
// the midst of it or behind it is answered, once and in its order: as long as a
// transfer takes, in pieces as they come.
func TestHandOver(t *testing.T) {
	for _, name := range []string{"in clear", "explicit TLS"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, ways[name].change)
			p := s.Add("anna")
			var all sync.WaitGroup
			for n := range 6 {
				c := s.dial(t)
				if name != "in clear" {
					c.secure(s.trust())
				}
				c.login(p)
				all.Go(func() { handOver(c, fmt.Sprintf("f%d", n)) })
			}
			all.Wait()
		})
	}
}

// handOver has transfers of about the time of a hand-over, with commands about it.
func handOver(c *client, name string) {
	const rounds = 12
	for range rounds {
		data := c.prepared()
		if data == nil {
			return
		}
		var script strings.Builder
		want := []string{"150", "226"}
		script.WriteString("STOR " + name + "\r\n")
		for range rand.IntN(8) {
			verb, code := "NOOP", "200"
			if rand.IntN(2) == 0 {
				verb, code = "PWD", "257"
			}
			script.WriteString(verb + "\r\n")
			want = append(want, code)
		}
		go func() {
			time.Sleep(time.Duration(rand.IntN(int(3 * alone))))
			if c.prot {
				data = tls.Client(data, c.tls)
			}
			_, _ = io.WriteString(data, "content")
			_ = data.Close()
		}()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for text := script.String(); text != ""; {
				n := min(len(text), 1+rand.IntN(20))
				_, _ = io.WriteString(c.conn, text[:n])
				text = text[n:]
				time.Sleep(time.Duration(rand.IntN(int(alone / 2))))
			}
		}()
		var got []string
		for range want {
			code, _, err := c.readReply()
			if err != nil {
				c.t.Errorf("after %v of %v: %v", got, want, err)
				return
			}
			got = append(got, fmt.Sprint(code))
		}
		<-sent
		if strings.Join(got, " ") != strings.Join(want, " ") {
			c.t.Errorf("%q: %v, want %v", script.String(), got, want)
			return
		}
	}
}

// An ABOR that comes at any moment of a transfer has its own answer behind the
// transfer's, and what follows has its own.
func TestAbortAtAnyMoment(t *testing.T) {
	s := newSite(t, ways["in clear"].change)
	s.Write("/home/anna/large", strings.Repeat("x", 4<<20))
	p := s.Add("anna")
	var all sync.WaitGroup
	for n := range 6 {
		c := s.dial(t).login(p)
		all.Go(func() { abortAtAnyMoment(c, fmt.Sprintf("f%d", n)) })
	}
	all.Wait()
}

func abortAtAnyMoment(c *client, name string) {
	const rounds = 16
	for n := range rounds {
		data := c.prepared()
		if data == nil {
			return
		}
		command, stop := "STOR "+name, make(chan struct{})
		if n%2 == 0 {
			command = "RETR large"
		}
		go func() {
			defer data.Close()
			if n%2 == 0 {
				_, _ = io.CopyN(io.Discard, data, 3<<20)
			} else {
				_, _ = data.Write(bytes.Repeat([]byte("y"), 1000))
			}
			select {
			case <-stop:
			case <-time.After(time.Duration(rand.IntN(int(3 * alone)))):
			}
			_, _ = io.Copy(io.Discard, data.(*net.TCPConn))
		}()
		_, _ = io.WriteString(c.conn, command+"\r\n")
		time.Sleep(time.Duration(rand.IntN(int(3 * alone))))
		_, _ = io.WriteString(c.conn, "\xff\xf4\xff\xf2ABOR\r\nNOOP\r\n")
		var got []int
		for len(got) == 0 || got[len(got)-1] != 200 {
			code, _, err := c.readReply()
			if err != nil {
				c.t.Errorf("after %v: %v", got, err)
				return
			}
			got = append(got, code)
		}
		close(stop)
		if said := fmt.Sprint(got); said != "[150 426 226 200]" && said != "[150 226 226 200]" && said != "[426 226 200]" {
			c.t.Errorf("%s: %v", command, got)
			return
		}
	}
}

// prepared makes the next data connection ready; nil where the test has failed.
func (c *client) prepared() net.Conn {
	_ = c.raw.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c.conn, "EPSV\r\n")
	code, text, err := c.readReply()
	if err != nil || code != 229 {
		c.t.Errorf("EPSV: %d %v", code, err)
		return nil
	}
	fields := strings.Split(text, "|")
	data, err := net.Dial("tcp", "127.0.0.1:"+fields[len(fields)-2])
	if err != nil {
		c.t.Error(err)
		return nil
	}
	return data
}
