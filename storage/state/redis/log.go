package redis

import (
	"context"
	"fmt"
	"log/slog"

	goredis "github.com/redis/go-redis/v9"
)

// LogTo has go-redis, which has one logger for the whole process, say what it has
// to say to log, for who debugs: what went wrong is in the errors of the store.
func LogTo(log *slog.Logger) { goredis.SetLogger(logger{log}) }

// logger is what go-redis takes for one.
type logger struct{ to *slog.Logger }

// Printf implements go-redis's logging.
func (l logger) Printf(ctx context.Context, format string, values ...any) {
	if l.to.Enabled(ctx, slog.LevelDebug) {
		l.to.DebugContext(ctx, "the client of Redis says something", "text", fmt.Sprintf(format, values...))
	}
}
