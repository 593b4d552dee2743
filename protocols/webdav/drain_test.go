package webdav

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// Many clients look for an answer when they have sent everything: an upload
// that is refused early is read on within bounds, so that they find it.
func TestRefusedUploadSeesItsAnswer(t *testing.T) {
	refused := func(x *exchange, _ *http.Request) error {
		x.settle(func() {
			x.Header().Set("Content-Length", "0")
			x.WriteHeader(http.StatusInsufficientStorage)
		})
		return nil
	}
	for name, size := range map[string]int{"small": 1000, "large": 8 << 20} {
		t.Run(name, func(t *testing.T) {
			s, outcome := exchanging(t, time.Minute, refused)
			s.Start()
			c := dial(t, s)
			fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size)
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Fatalf("the connection broke before all was sent: %v", err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || answer.StatusCode != http.StatusInsufficientStorage {
				t.Errorf("got %v, %v, want 507", answer, err)
			}
			within(t, soon, outcome)
		})
	}
	t.Run("chunked", func(t *testing.T) {
		s, _ := exchanging(t, time.Minute, refused)
		s.Start()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL, io.LimitReader(zeros{}, 4<<20))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != http.StatusInsufficientStorage {
			t.Fatalf("got %v, %v, want 507", answer, err)
		}
		answer.Body.Close()
	})
}

// A client that waits for 100 Continue is told without having to send anything.
func TestRefusedUploadBeforeContinue(t *testing.T) {
	s, _ := exchanging(t, time.Minute, func(x *exchange, _ *http.Request) error {
		x.settle(func() { x.WriteHeader(http.StatusInsufficientStorage) })
		return nil
	})
	s.Start()
	c := dial(t, s)
	fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || answer.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("got %v, %v, want 507 and no 100", answer, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
