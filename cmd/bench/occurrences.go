package main

import "bytes"

// occurrences counts how often a text is written, wherever it is cut.
type occurrences struct {
	of    []byte
	found int
	rest  []byte
}

func (o *occurrences) Write(b []byte) (int, error) {
	text := append(o.rest, b...)
	o.found += bytes.Count(text, o.of)
	keep := min(len(text), len(o.of)-1) // too short to have been counted
	o.rest = append([]byte(nil), text[len(text)-keep:]...)
	return len(b), nil
}
