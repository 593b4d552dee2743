package rest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// progress is how long a client may take to read a piece of an answer.
const progress = time.Minute

// refuse answers with a problem document what comes to no operation.
func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}

// unkept keeps answers, some of which hold a secret that is shown once, out of
// every cache, and out of frames and whatever else a page could make of them.
func unkept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// Answering is how the operations of mux answer: a problem document where there is
// none, a client that reads slowly is waited for, and a change outlasts its client.
func Answering(mux *http.ServeMux) http.Handler { return Lasting(patient(withProblems(mux))) }

// withProblems answers for addresses and methods that mux does not know.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unknown, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		told := headers{header: http.Header{}}
		unknown.ServeHTTP(&told, r)
		if allow := told.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			refuse(w, http.StatusMethodNotAllowed, "this address takes "+allow)
			return
		}
		refuse(w, http.StatusNotFound, "there is nothing at this address")
	})
}

// headers keeps of an answer its headers alone.
type headers struct{ header http.Header }

// Header returns them.
func (h *headers) Header() http.Header { return h.header }

// Write forgets what it is given.
func (h *headers) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader forgets the status.
func (h *headers) WriteHeader(int) {}

// patient counts a client's time from when the answer begins, and anew with every
// piece: what takes the gateway long (a count, a backup) is not the client's fault.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&patientWriter{w}, r)
	})
}

type patientWriter struct{ http.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader begins the answer.
func (w *patientWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write goes on with the answer.
func (w *patientWriter) Write(b []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(b)
}

// extend moves the deadline, where the writer has one.
func (w *patientWriter) extend() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(progress))
}
