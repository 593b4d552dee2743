package guard

import (
	"context"
	"errors"
	"io"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/traffic"
)

// TrafficLimits bound how much and how fast an account may move. Its days are the
// site's.
func TrafficLimits(e policy.Effective) traffic.Limits {
	l := e.Limits()
	t := traffic.Limits{
		UploadRate: l.UploadRate, DownloadRate: l.DownloadRate, Operations: int64(l.OpsPerSecond),
		Day: l.BytesPerDay, Month: l.BytesPerMonth,
	}
	if t.Day == 0 && t.Month == 0 {
		return t
	}
	if zone, err := time.LoadLocation(e.Site().TimeZone); err == nil {
		t.Zone = zone
	}
	return t
}

// limitTraffic puts in force what bounds the account now.
func (s *session) limitTraffic(e policy.Effective) {
	if s.config.Traffic != nil {
		s.config.Traffic.SetLimits(TrafficLimits(e))
	}
}

func (s *session) bounded() bool { return s.config.Traffic != nil && s.config.Traffic.Bounded() }

// pace waits until the session may do one more operation, or has ended.
func (s *session) pace(ctx context.Context) error {
	if !s.bounded() {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ended, func() { cancel(context.Cause(s.ended)) })()
	return s.config.Traffic.Operation(ctx)
}

// incoming waits until bytes may come in, and says how many of n. It is asked
// before the handle is held: who closes it does not wait for that.
func (f *File) incoming(n int64) (traffic.Grant, error) {
	return f.moves(n, (*traffic.Session).Upload)
}

// outgoing is incoming for bytes that go out.
func (f *File) outgoing(n int64) (traffic.Grant, error) {
	return f.moves(n, (*traffic.Session).Download)
}

func (f *File) moves(n int64, take func(*traffic.Session, context.Context, int64) (traffic.Grant, error)) (traffic.Grant, error) {
	s := f.fs.s
	if n <= 0 || !s.bounded() {
		return traffic.Grant{Bytes: n}, nil
	}
	g, err := take(s.config.Traffic, f.ctx, n)
	return g, spentError(err)
}

// mayMove refuses a handle at once where not a byte is left, or fewer than announced.
func (f *File) mayMove() error {
	if !f.fs.s.bounded() {
		return nil
	}
	return spentError(f.fs.s.config.Traffic.Left(f.ctx, max(f.how.Size, 1)))
}

// spentError is a refusal, where no allowance is left.
func spentError(err error) error {
	if spent, ok := errors.AsType[*traffic.SpentError](err); ok {
		return &refusal{Decision: decideSpent(spent)}
	}
	return err
}

func decideSpent(e *traffic.SpentError) policy.Decision {
	rule := policy.RuleBytesPerDay
	if e.Period == "month" {
		rule = policy.RuleBytesPerMonth
	}
	return policy.Decision{Rule: rule, Because: e.Error(), Until: e.Until}
}

// atEnd turns a refusal to read on into the end of the file, where that is what
// comes next: who was allowed just as much as there is has had all of it.
func (f *File) atEnd(off int64, refused error) error {
	if info, err := f.file.Stat(); err == nil && off >= info.Size {
		return io.EOF
	}
	return refused
}
