package events

import "time"

// keeps is how well the spool takes what the store does not.
type keeps struct {
	begun time.Time // since when it has not answered; zero where it has
	bytes int64     // that it holds
	full  bool
	err   error // why it took nothing, the last time
}

// behind is why what is noted now would not be durable in time.
func (k keeps) behind() error {
	slow := !k.begun.IsZero() && time.Since(k.begun) >= noteDurable
	switch {
	case k.err == nil && k.full:
		return errSpoolFull
	case k.err == nil && slow:
		return errSpoolSlow
	}
	return k.err
}

// keeping says that something is about to be kept in the spool.
func (l *Log) keeping() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keeps.begun.IsZero() {
		l.keeps.begun = time.Now()
	}
}

// kept says how that has ended.
func (l *Log) kept(err error, s *spool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keeps = keeps{bytes: s.bytes, full: s.isNearlyFull(), err: err}
}

// sent says that the spool has less to hold.
func (l *Log) sent(s *spool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keeps.bytes, l.keeps.full = s.bytes, s.isNearlyFull()
	if !l.keeps.full {
		l.keeps.err = nil
	}
}

// Spooled is how many bytes of events are kept on this machine, and not in the trail yet.
func (l *Log) Spooled() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keeps.bytes
}

// Behind is why what is noted now would not be durable in time: the store has failed
// for longer than that may take, and there is no spool that takes the events
// meanwhile. nil where it would be.
func (l *Log) Behind() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err == nil || time.Since(l.since) < noteDurable:
		return nil
	case l.spools:
		return l.keeps.behind()
	}
	return l.err
}

// Away is why events are kept on this machine now, and go into the trail later; nil
// where they go there at once, or nowhere.
func (l *Log) Away() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.spools {
		return nil
	}
	return l.err
}
