package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A namespace is a network of its own, that of one thread. It has no name: it is
// gone once that thread has left it and the last process and connection in it have
// ended, however the test ends. Nil is the network that the test has from its machine.
type namespace struct {
	thread int
	work   chan func()
}

// newNamespace makes a namespace, where that is permitted.
func newNamespace(t *testing.T) (*namespace, error) {
	t.Helper()
	n := &namespace{work: make(chan func())}
	made := make(chan error, 1)
	go n.live(made)
	if err := <-made; err != nil {
		return nil, err
	}
	t.Cleanup(func() { close(n.work) })
	return n, nil
}

// live does the namespace's work on a thread of its own, until there is no more. The
// thread goes back to where it was and lives on: processes that it has started
// before, a Redis for one, may be bound to die with it.
func (n *namespace) live(made chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n.thread = unix.Gettid()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		made <- err
		return
	}
	defer func() { _ = home.Close() }()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		made <- fmt.Errorf("unshare: %w", err)
		return
	}
	made <- nil
	for work := range n.work {
		work()
	}
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(fmt.Sprint("a thread does not come back from its namespace: ", err))
	}
}

// do does something in the namespace: what opens a socket or starts a process.
func (n *namespace) do(work func() error) error {
	if n == nil {
		return work()
	}
	done := make(chan error, 1)
	n.work <- func() { done <- work() }
	return <-done
}

// dial connects from within the namespace.
func (n *namespace) dial(addr string) (c net.Conn, err error) {
	err = n.do(func() error {
		c, err = net.DialTimeout("tcp", addr, 5*time.Second) // nothing else is done there meanwhile
		return err
	})
	return c, err
}

// listen listens within the namespace.
func (n *namespace) listen(addr string) (l net.Listener, err error) {
	err = n.do(func() error {
		l, err = net.Listen("tcp", addr)
		return err
	})
	return l, err
}

// ip runs commands of iproute2 within the namespace.
func (n *namespace) ip(commands ...string) error {
	for _, command := range commands {
		err := n.do(func() error {
			out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("ip %s: %w: %s", command, err, out)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A cable joins two namespaces. It can lose all that is sent, both ways, of which
// neither end is told: each then addresses a card that nobody has.
type cable struct{ ends [2]*namespace }

const nobodysCard = "02:00:00:00:00:99"

func cardOf(end int) string    { return fmt.Sprintf("02:00:00:00:00:0%d", end+1) }
func addressOf(end int) string { return fmt.Sprintf("10.0.0.%d", end+1) }

func newCable(t *testing.T) (*cable, error) {
	t.Helper()
	c := &cable{}
	for i := range c.ends {
		end, err := newNamespace(t)
		if err != nil {
			return nil, err
		}
		c.ends[i] = end
	}
	err := c.ends[0].ip(fmt.Sprintf("link add cable address %s type veth peer name cable address %s netns %d", cardOf(0), cardOf(1), c.ends[1].thread))
	for i, end := range c.ends {
		if err == nil {
			err = end.ip("address add "+addressOf(i)+"/30 dev cable", "link set lo up", "link set cable up")
		}
	}
	if err != nil {
		return nil, err
	}
	return c, c.lead(cardOf)
}

// lead has each end address the other by a card.
func (c *cable) lead(card func(end int) string) error {
	for i, end := range c.ends {
		if err := end.ip(fmt.Sprintf("neighbour replace %s lladdr %s dev cable nud permanent", addressOf(1-i), card(1-i))); err != nil {
			return err
		}
	}
	return nil
}

func (c *cable) cut() error  { return c.lead(func(int) string { return nobodysCard }) }
func (c *cable) join() error { return c.lead(cardOf) }
