//go:build !unix

package buffered

import "gatehouse/protocols/sftp/buffers"

// receive reads what there is into a borrowed buffer.
func (c *Conn) receive() error {
	c.sendGathered()
	b := c.pool.Get(buffers.Small)
	n, err := c.raw.Read(b)
	if n == 0 {
		c.pool.Put(b)
		return err
	}
	c.borrowed, c.unread = b, b[:n]
	c.received.Add(uint64(n))
	return nil
}
