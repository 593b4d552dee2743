package webdav

import (
	"bytes"
	"io"
	"sync"
)

const (
	// mostQuestions bounds how many questions are remembered, and maxQuestion how
	// many bytes one of them has.
	mostQuestions = 64
	maxQuestion   = 1 << 10
)

// questions remembers what bodies of PROPFIND were found to ask for: a client
// sends the same few over and over, and reading XML costs more than the answer.
// The zero value is ready, and safe for concurrent use.
type questions struct {
	mu    sync.RWMutex
	known map[string]question // by body; nobody changes what it holds
}

// read reads a body, as readQuestion does.
func (k *questions) read(body io.Reader) (question, error) {
	var room [maxQuestion + 1]byte
	n, err := io.ReadFull(body, room[:])
	text := room[:n]
	if err != io.EOF && err != io.ErrUnexpectedEOF { // it is longer, or breaks off, as it will again
		return readQuestion(io.MultiReader(bytes.NewReader(text), body))
	}
	k.mu.RLock()
	ask, ok := k.known[string(text)]
	k.mu.RUnlock()
	if ok {
		return ask, nil
	}
	if ask, err = readQuestion(bytes.NewReader(text)); err == nil {
		k.remember(string(text), ask)
	}
	return ask, err
}

// remember forgets all others where there are too many: who sends ever new
// bodies costs everybody what reading them costs, and no memory.
func (k *questions) remember(text string, ask question) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= mostQuestions {
		clear(k.known)
	}
	if k.known == nil {
		k.known = make(map[string]question, mostQuestions)
	}
	k.known[text] = ask
}
