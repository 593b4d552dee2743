package main

import (
	"context"
	"errors"
	"sync"
)

// memoryWorks are rows about what a transfer and many logins at once take.
func (f *farm) memoryWorks(z sizes) []*work {
	row := func(name, title string, d door, servers []string, dial dialer) *work {
		return &work{
			name: name, title: title + " memory of one transfer", door: d, unit: transfers, servers: servers, anew: true,
			run: f.transferMemory(z, dial), goals: []goal{{times, nil, 1.5}},
		}
	}
	return []*work{
		row("sftp-memory", "SFTP", overSFTP, []string{"sshd"}, f.anySFTP),
		row("ftp-memory", "FTP", overFTP, []string{"vsftpd", "proftpd"}, f.anyFTP),
		row("dav-memory", "HTTP", overHTTP, []string{"nginx", "apache"}, f.anyDAV),
		{
			name: "logins", title: "16 first logins at once, one password", door: overHTTP, unit: hashes, anew: true,
			run: f.firstLogins, goals: []goal{{count, nil, 1.5}},
		},
	}
}

// transferMemory measures the most that a server occupies while one client
// uploads the large file and downloads it, beyond what it did before; and what
// that is of the most for a smaller file, which tells whether it is bounded.
func (f *farm) transferMemory(z sizes, dial dialer) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		s, err := dial(ctx, m.server)
		if err != nil {
			return err
		}
		defer s.close()
		before, err := m.server.collected(ctx)
		if err != nil {
			return err
		}
		most := func(bytes int64) (float64, error) {
			if err := m.begin(ctx); err != nil {
				return 0, err
			}
			err := errors.Join(move(s, uploaded, bytes), m.end(ctx, 1))
			return float64(m.sample.Peak), err
		}
		less, err := most(z.moved)
		if err != nil {
			return err
		}
		all, err := most(z.large)
		m.sample.Memory, m.sample.Count = all-float64(before), all/less
		return err
	}
}

// crowd is how many log in at once.
const crowd = 16

// firstLogins counts password hashes: the processor time of many first requests
// at once is compared with that of one alone, without what as many that are known
// cost. The server has seen no login before.
func (f *farm) firstLogins(ctx context.Context, m *meter) error {
	c := f.dialDAV(m.server, crowd)
	defer c.close()
	together, err := m.asking(ctx, c, crowd)
	if err != nil {
		return err
	}
	known, err := m.asking(ctx, c, crowd)
	if err != nil {
		return err
	}
	if err := errors.Join(m.server.stop(), m.server.start(ctx, f.groups)); err != nil {
		return err
	}
	alone := f.dialDAV(m.server, 1)
	defer alone.close()
	one, err := m.asking(ctx, alone, 1)
	m.sample.Count = (together - known) / (one - known/crowd)
	return err
}

// asking is the processor time, in seconds, of so many requests at once.
func (m *meter) asking(ctx context.Context, c *davClient, n int) (float64, error) {
	if err := m.begin(ctx); err != nil {
		return 0, err
	}
	errs := make([]error, n)
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() { errs[i] = c.known(ctx) })
	}
	asking.Wait()
	err := errors.Join(errors.Join(errs...), m.end(ctx, 1))
	return m.sample.CPU.Seconds(), err
}
