// Package words splits a command line as a shell would that can do nothing but
// quote: POSIX quotes, backslashes and patterns of names, and no variable, no
// substitution, no redirection, no list of commands.
package words

import (
	"errors"
	"strings"
)

// Limits of a line.
const (
	MaxLine  = 64 << 10
	MaxWords = 256
)

// Errors of Split.
var (
	ErrShell = errors.New("there is no shell here: quote what a shell would read as its own")
	ErrQuote = errors.New("a quote is not closed")
	ErrLong  = errors.New("the command is too long")
)

// A Word is one word of a line.
type Word struct {
	// Text is the word without its quotes, and without an unquoted ~ that it began
	// with alone or before a slash: commands begin at home.
	Text string
	// Pattern is the word for path.Match, where it holds an unquoted *, ? or [;
	// else empty.
	Pattern string
}

// Split splits a line. What only a shell could do is refused, and never taken
// for a character like others.
func Split(line string) ([]Word, error) {
	if len(line) > MaxLine {
		return nil, ErrLong
	}
	s := &splitter{rest: line}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
		if len(s.words) > MaxWords {
			return nil, ErrLong
		}
	}
	s.end()
	return s.words, nil
}

// A splitter is a line on its way.
type splitter struct {
	rest  string
	words []Word

	begun         bool // a word has begun
	glob          bool
	set           set
	text, pattern strings.Builder
}

// A set is where a word stands in a set of characters such as [a-z]: what may come
// at its front has a meaning of its own there.
type set int

const (
	outside set = iota
	opened      // after the bracket
	inside
)

// step reads one character, escape or quoted piece.
func (s *splitter) step() error {
	c := s.rest[0]
	switch {
	case c == ' ' || c == '\t':
		s.rest = s.rest[1:]
		s.end()
		return nil
	case c == '\'' || c == '"':
		return s.quoted(c)
	case c == '\\':
		return s.escaped()
	case c == 0 || strings.IndexByte("\n\r|&;<>()$`", c) >= 0:
		return ErrShell
	case c == '#' && !s.begun:
		return ErrShell
	case c == '~' && !s.begun && (len(s.rest) == 1 || strings.IndexByte("/ \t", s.rest[1]) >= 0):
		s.begun = true
	case c == '[' && s.set != outside && len(s.rest) > 1 && strings.IndexByte(":.=", s.rest[1]) >= 0:
		return ErrShell // a class of characters, such as [:alpha:]
	case c == '*' || c == '?' || c == '[':
		s.glob = true
		opens := c == '[' && s.set == outside
		s.literal(s.rest[:1], s.rest[:1])
		if opens {
			s.set = opened
		}
	case c == '!' && s.set == opened:
		s.literal("!", "^")
	case c == ']':
		closes := s.set == inside
		s.literal("]", "]")
		if closes {
			s.set = outside
		}
	case c == '-' || c == '^':
		s.literal(s.rest[:1], s.rest[:1])
	default:
		s.literal(s.rest[:1], escape(s.rest[:1]))
	}
	s.rest = s.rest[1:]
	return nil
}

func (s *splitter) literal(text, pattern string) {
	s.begun = true
	switch {
	case text == "/":
		s.set = outside
	case s.set == opened:
		s.set = inside
	}
	s.text.WriteString(text)
	s.pattern.WriteString(pattern)
}

func (s *splitter) escaped() error {
	if len(s.rest) < 2 {
		return ErrQuote
	}
	if s.rest[1] == 0 {
		return ErrShell
	}
	if s.rest[1] != '\n' { // a backslash at the end of a line joins it with the next
		s.literal(s.rest[1:2], escape(s.rest[1:2]))
	}
	s.rest = s.rest[2:]
	return nil
}

// quoted reads up to the closing quote. Between double quotes a backslash
// escapes what is special there, and a variable is refused.
func (s *splitter) quoted(quote byte) error {
	s.begun = true
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == quote:
			s.rest = s.rest[i+1:]
			return nil
		case c == 0, quote == '"' && (c == '$' || c == '`'):
			return ErrShell
		case quote == '"' && c == '\\' && i+1 < len(s.rest) && strings.IndexByte("$`\"\\\n", s.rest[i+1]) >= 0:
			i++
			if c = s.rest[i]; c == '\n' {
				continue
			}
		}
		s.literal(s.rest[i:i+1], escape(s.rest[i:i+1]))
	}
	return ErrQuote
}

// end completes a word.
func (s *splitter) end() {
	if !s.begun {
		return
	}
	w := Word{Text: s.text.String()}
	if s.glob {
		w.Pattern = s.pattern.String()
	}
	s.words = append(s.words, w)
	s.begun, s.glob, s.set = false, false, outside
	s.text.Reset()
	s.pattern.Reset()
}

// escape makes a pattern that only text matches.
func escape(text string) string {
	if strings.ContainsAny(text, `*?[]\-^!`) {
		return `\` + text
	}
	return text
}
