package rest

import (
	"context"
	"net/http"
	"time"
)

// afterwards is how long a change may go on whose client has gone.
const afterwards = 10 * time.Minute

// Lasting lets a change go on to its end, with its event, when the client has
// gone: what is half made would be in no trail. It has some minutes for it then,
// so that a store that is away holds it up for no longer.
func Lasting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		defer cancel()
		stop := context.AfterFunc(r.Context(), func() {
			late := time.NewTimer(afterwards)
			defer late.Stop()
			select {
			case <-late.C:
				cancel()
			case <-ctx.Done():
			}
		})
		defer stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
