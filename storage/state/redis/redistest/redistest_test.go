package redistest

import "testing"

// A server that is started again serves when Start returns, however long it takes to read
// its data, of which it answers some questions already.
func TestStartedAgainItServes(t *testing.T) {
	t.Parallel()
	s := Start(t, "--enable-debug-command", "yes", "--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024")
	s.Do(t, "DEBUG", "POPULATE", 1000)
	s.Do(t, "SAVE")
	s.Kill(t)
	s.Start(t)
	if n := s.Do(t, "DBSIZE"); n != int64(1000) {
		t.Errorf("%v keys were read, want 1000", n)
	}
}
