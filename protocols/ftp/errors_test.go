package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"testing"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/data"
)

func TestReplyTo(t *testing.T) {
	denied := func(r policy.Rule) error {
		return &session.DeniedError{Decision: policy.Decision{Rule: r, Because: "the secret reason"}}
	}
	for name, c := range map[string]struct {
		err  error
		code int
	}{
		"nothing":                     {nil, 250},
		"a refused login":             {&auth.RefusedError{Reference: "r"}, 530},
		"an undecided login":          {fmt.Errorf("%w: the store", errUndecided), 421},
		"a full quota":                {&session.ExceededError{Folder: path.MustParse("/secret")}, 552},
		"a full disk":                 {session.ErrNoSpace, 552},
		"another node's change":       {session.ErrInUse, 451},
		"being out of touch":          {fmt.Errorf("%w: not heard of", session.ErrStateAway), 451},
		"a full store":                {fmt.Errorf("ask for the quota: %w: %w", session.ErrAway, session.ErrStateFull), 452},
		"a lock":                      {session.ErrLocked, 550},
		"a name with a NUL":           {path.ErrInvalid, 553},
		"a long name":                 {path.ErrTooLong, 553},
		"denied":                      {denied(policy.RuleNoGrant), 550},
		"denied by the names":         {denied(policy.RuleNames), 553},
		"denied by its size":          {denied(policy.RuleLargestUpload), 552},
		"resuming where all is whole": {&session.UnsupportedError{Text: "not here", Rule: policy.RuleUploads}, 550},
		"no such file":                {fs.ErrNotExist, 550},
		"exists":                      {fs.ErrExist, 550},
		"a filled folder":             {session.ErrNotEmpty, 550},
		"another mount":               {session.ErrCrossMount, 550},
		"into itself":                 {fs.ErrInvalid, 553},
		"unsupported":                 {session.ErrUnsupported, 550},
		"a broken transfer":           {data.ErrTruncated, 426},
		"a stalled one":               {errStalled, 426},
		"aborted":                     {errAborted, 426},
		"a closed connection":         {net.ErrClosed, 426},
		"a reset":                     {&net.OpError{Op: "read", Err: errors.New("reset")}, 426},
		"a cut":                       {fmt.Errorf("%w: %w", errCut, denied(policy.RuleNoGrant)), 426},
		"no data connection":          {fmt.Errorf("%w: timeout", data.ErrNone), 425},
		"a hole":                      {errBeyond, 554},
		"a store that is away":        {errors.New("open /var/lib/gatehouse/x: input/output error"), 451},
		"work that was cancelled":     {context.Canceled, 426},
		"a panic":                     {errPanic, 451},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.err
			if err != nil {
				err = fmt.Errorf("calling GetHandle: %w", &fs.PathError{Op: "open", Path: "/secret\r\n226 ok", Err: err})
			}
			got := replyTo(err)
			if got.code != c.code {
				t.Errorf("got %v, want %d", got, c.code)
			}
			if strings.Contains(got.text, "secret") || strings.Contains(got.text, "/") {
				t.Errorf("%q tells more than a constant would", got.text)
			}
		})
	}
}

// A name that holds a line end would end the reply, and what follows would be
// the next one.
func TestRepliesAreOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"Done":                       "250 Done\r\n",
		"a\r\n226 Transfer complete": "250 a??226 Transfer complete\r\n",
		"a\nb\x00\x1b[2J\x7f":        "250 a?b??[2J?\r\n",
		"\xc3\xa4\xff":               "250 \xc3\xa4\xff\r\n",
	} {
		if got := (reply{250, text}).String(); got != want {
			t.Errorf("%q travels as %q, want %q", text, got, want)
		}
	}
	got := multiline(213, "Status of a\r\nb", []string{"213 End", "x\r\n213 End"}, "End")
	if want := "213-Status of a??b\r\n 213 End\r\n x??213 End\r\n213 End\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
