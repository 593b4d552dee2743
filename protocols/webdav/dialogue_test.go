package webdav

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gatehouse/protocols/protocoltest"
)

// What clients send that do not run in the tests is answered as they need it:
// testdata/dialogues says what each sends, and where that is written down.
func TestDialogues(t *testing.T) {
	s := newSite(t)
	for i, file := range protocoltest.Dialogues(t) {
		t.Run(file.Client, func(t *testing.T) {
			d := readDialogue(t, file)
			c := s.client(t, "client"+strconv.Itoa(i))
			kept := map[string]string{}
			for _, turn := range d.turns {
				turn.play(c, kept)
			}
			c.wantFiles(d.files)
		})
	}
}

// everyTurn is what clients send, to begin fuzzing with.
func everyTurn(t testing.TB) []*turn {
	t.Helper()
	var all []*turn
	for _, file := range protocoltest.Dialogues(t) {
		all = append(all, readDialogue(t, file).turns...)
	}
	return all
}

// A dialogue is read from a file; README.md beside the files says how.
type dialogue struct {
	turns []*turn
	files map[string]string
}

// A turn is one request, and what is wanted of its answer.
type turn struct {
	method, target string
	headers        []string
	body           []string
	status         int
	answer         []string // headers, "~text" and "!text"
}

func readDialogue(t testing.TB, file protocoltest.Dialogue) *dialogue {
	t.Helper()
	d := &dialogue{files: map[string]string{}}
	file.Lines(t, d.line)
	return d
}

func (d *dialogue) line(kind, rest string) error {
	switch {
	case kind == ">" && strings.HasSuffix(rest, " HTTP/1.1"):
		words := strings.Fields(rest)
		d.turns = append(d.turns, &turn{method: words[0], target: words[1]})
		return nil
	case kind == "=":
		name, content, _ := strings.Cut(rest, " ")
		d.files[strings.ReplaceAll(name, "%20", " ")] = content
		return nil
	case len(d.turns) == 0:
		return errors.New("it stands before any request")
	}
	return d.turns[len(d.turns)-1].line(kind, rest)
}

func (u *turn) line(kind, rest string) (err error) {
	switch {
	case kind == ">":
		u.headers = append(u.headers, rest)
	case kind == "|":
		u.body = append(u.body, rest)
	case kind == "<" && u.status == 0:
		u.status, err = strconv.Atoi(rest)
	case kind == "<":
		u.answer = append(u.answer, rest)
	default:
		return errors.New("it cannot be understood")
	}
	return err
}

// play sends the request and judges the answer.
func (u *turn) play(c *client, kept map[string]string) {
	c.t.Helper()
	fill := func(s string) string {
		for name, value := range kept {
			s = strings.ReplaceAll(s, "{"+name+"}", value)
		}
		return s
	}
	var body io.Reader
	if u.body != nil {
		body = strings.NewReader(fill(strings.Join(u.body, "")))
	}
	var headers []string
	for _, h := range u.headers {
		switch {
		case h == "Content-Length: 0":
			body = http.NoBody
		case h == "Transfer-Encoding: chunked":
			body = io.MultiReader(body) // of no length that net/http knows
		default:
			headers = append(headers, fill(h))
		}
	}
	a := c.send(u.method, u.target, body, headers...)
	if a.status != u.status {
		c.t.Fatalf("%s %s %v: got %d %s, want %d", u.method, u.target, headers, a.status, a.body, u.status)
	}
	for _, want := range u.answer {
		text, there := strings.CutPrefix(want, "~")
		if not, none := strings.CutPrefix(want, "!"); there || none {
			if none {
				text = not
			}
			if strings.Contains(a.body, fill(text)) != there {
				c.t.Fatalf("%s %s: want %q of the answer %s", u.method, u.target, want, a.body)
			}
			continue
		}
		name, pattern, _ := strings.Cut(want, ": ")
		if !keep(pattern, a.header.Get(name), kept) {
			c.t.Fatalf("%s %s: %s is %q, want %q", u.method, u.target, name, a.header.Get(name), pattern)
		}
	}
}

var placeholder = regexp.MustCompile(`\\\{([a-z]+)\\\}`)

// keep matches a header's value, and keeps what stands for the names in braces.
func keep(pattern, value string, kept map[string]string) bool {
	expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	expression = placeholder.ReplaceAllString(expression, "(?P<$1>.+)")
	re := regexp.MustCompile("^" + expression + "$")
	found := re.FindStringSubmatch(value)
	for i, name := range re.SubexpNames() {
		if found != nil && name != "" {
			kept[name] = found[i]
		}
	}
	return found != nil
}
