package journal

import (
	"slices"
	"sync"
)

// mostFindings is how many damaged places are remembered.
const mostFindings = 20

// findings are the damaged places that were met.
type findings struct {
	mu     sync.Mutex
	places []string
}

func (f *findings) add(place string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.places) < mostFindings && !slices.Contains(f.places, place) {
		f.places = append(f.places, place)
	}
}

// Damaged returns where files were found damaged since the journal was opened, by
// opening or by reading them; some of the places, where there are many.
func (j *Journal) Damaged() []string {
	j.found.mu.Lock()
	defer j.found.mu.Unlock()
	return slices.Clone(j.found.places)
}
