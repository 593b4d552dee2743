package server

import (
	"net/http"
	"time"
)

// bodyTime is how long a request's body may stay away before anybody reads it.
const bodyTime = time.Minute

// timed bounds the time for a body that its handler does not ask for: the server
// reads the rest of one before it answers, for as long as the client keeps
// still. Handlers that read bodies move the deadline as bytes move.
func timed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
				w.Header().Set("Connection", "close") // the client is gone already
			}
		}
		h.ServeHTTP(w, r)
	})
}
