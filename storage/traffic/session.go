package traffic

import (
	"context"
	"net"
)

// A Session is one of an account's; its methods may be called concurrently.
type Session struct {
	traffic *Traffic
	id      string
	account *account
	left    bool // guarded by traffic.mu

	up, down, operations queue
}

// SetLimits puts changed limits in force for all sessions of the account.
func (s *Session) SetLimits(l Limits) {
	s.account.setting.Lock()
	defer s.account.setting.Unlock()
	s.account.set(l)
}

// Expect is SetLimits where none are in force yet: of a session that may never
// begin, whose limits were read a while ago.
func (s *Session) Expect(l Limits) {
	s.account.setting.Lock()
	defer s.account.setting.Unlock()
	if !s.account.limited {
		s.account.set(l)
	}
}

func (a *account) set(l Limits) {
	a.limited = true
	a.up.set(l.UploadRate)
	a.down.set(l.DownloadRate)
	a.operations.set(l.Operations)
	a.day.set(l.Day, l.Zone)
	a.month.set(l.Month, l.Zone)
	a.free.Store(l.UploadRate == 0 && l.DownloadRate == 0 && l.Operations == 0 && l.Day == 0 && l.Month == 0)
}

// Bounded reports whether anything bounds the account.
func (s *Session) Bounded() bool { return !s.account.free.Load() }

// Operation waits until the account may do one more operation.
func (s *Session) Operation(ctx context.Context) error {
	if !s.Bounded() {
		return nil
	}
	return s.account.operations.wait(ctx, &s.operations, 1)
}

// A Grant is what may be moved: so many bytes.
type Grant struct {
	Bytes int64

	session    *Session // nil where nothing bounds it
	pacer      *pacer
	queue      *queue
	day, month string // the periods that the bytes are of
}

// Upload waits until bytes may come in, and says how many of n: at least one, or
// a *SpentError. Moved is called for every grant.
func (s *Session) Upload(ctx context.Context, n int64) (Grant, error) {
	return s.move(ctx, s.account.up, &s.up, n)
}

// Download is Upload for bytes that go out.
func (s *Session) Download(ctx context.Context, n int64) (Grant, error) {
	return s.move(ctx, s.account.down, &s.down, n)
}

func (s *Session) move(ctx context.Context, p *pacer, q *queue, n int64) (Grant, error) {
	if !s.Bounded() {
		return Grant{Bytes: n}, nil
	}
	if !s.enter() {
		return Grant{}, net.ErrClosed
	}
	g := Grant{session: s, pacer: p, queue: q}
	if err := g.take(ctx, p.piece(n)); err != nil {
		s.exit()
		return Grant{}, err
	}
	if err := p.wait(ctx, q, g.Bytes); err != nil {
		s.account.back(g, g.Bytes)
		s.exit()
		return Grant{}, err
	}
	return g, nil
}

// take takes up to n bytes out of the day's and the month's allowance.
func (g *Grant) take(ctx context.Context, n int64) (err error) {
	a := g.session.account
	if g.Bytes, g.day, err = a.day.take(ctx, n); err != nil {
		return err
	}
	today := g.Bytes
	g.Bytes, g.month, err = a.month.take(ctx, today)
	if g.Bytes < today {
		a.day.back(today-g.Bytes, g.day)
	}
	return err
}

func (a *account) back(g Grant, n int64) {
	a.day.back(n, g.day)
	a.month.back(n, g.month)
}

// Moved says how many bytes of the grant there were; the others are given back.
// It is called once.
func (g Grant) Moved(n int64) {
	if g.session == nil {
		return
	}
	if unused := g.Bytes - n; unused > 0 {
		g.pacer.refund(g.queue, unused)
		g.session.account.back(g, unused)
	}
	g.session.exit()
}

// Left returns a *SpentError where fewer than n bytes may still be moved.
func (s *Session) Left(ctx context.Context, n int64) error {
	if !s.Bounded() {
		return nil
	}
	if !s.enter() {
		return net.ErrClosed
	}
	defer s.exit()
	for _, a := range []*allowance{s.account.day, s.account.month} {
		got, period, err := a.take(ctx, n)
		if err != nil {
			return err
		}
		a.back(got, period)
		if got < n {
			return a.spent()
		}
	}
	return nil
}

// enter counts a grant in: what is leased for it is given back after it.
func (s *Session) enter() bool {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	if s.left || s.traffic.closed {
		return false
	}
	s.account.users++
	return true
}

func (s *Session) exit() {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	s.traffic.leave(s.id, s.account)
}

// Leave counts the session out. It does not wait for the store.
func (s *Session) Leave() {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	if !s.left {
		s.left = true
		s.traffic.leave(s.id, s.account)
	}
}
