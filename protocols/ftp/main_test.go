package ftp

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing that a connection or transfer started outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
