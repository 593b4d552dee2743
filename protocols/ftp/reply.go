package ftp

import (
	"fmt"
	"strings"
)

// A reply is a code of RFC 959 and its text. Texts are constants of this
// package, or hold nothing of the client's but a quoted path.
type reply struct {
	code int
	text string
}

// String is the reply as it travels: one line, whatever the text holds.
func (r reply) String() string { return fmt.Sprintf("%d %s\r\n", r.code, oneLine(r.text)) }

// multiline is a reply with lines between its first and its last (RFC 959,
// 4.2). Each line begins with a space, so that none can pass for the end.
func multiline(code int, first string, body []string, last string) string {
	var b strings.Builder
	b.WriteString(opening(code, first))
	for _, line := range body {
		b.WriteString(" " + oneLine(line) + "\r\n")
	}
	b.WriteString(reply{code, last}.String())
	return b.String()
}

// opening is the first line of such a reply.
func opening(code int, first string) string { return fmt.Sprintf("%d-%s\r\n", code, oneLine(first)) }

// oneLine replaces what could end a line or steer a terminal.
func oneLine(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if isControl(rune(c)) {
			b[i] = '?'
		}
	}
	return string(b)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// quoted is a path in a 257 reply, its quotes doubled (RFC 959, appendix II).
func quoted(path string) string { return `"` + strings.ReplaceAll(path, `"`, `""`) + `"` }

// done are the texts of what succeeded, and began, by code.
var done = map[int]string{
	150: "Opening the data connection",
	200: "OK",
	221: "Goodbye",
	226: "Transfer complete",
	230: "Logged in",
	250: "Done",
	331: "Password, please",
	350: "Go on",
}

// refused are the texts of what was not done where no error says more.
var refused = map[int]string{
	421: "Closing the connection",
	425: "No data connection: use PASV or EPSV first",
	426: "The transfer broke off",
	450: "Not possible now",
	451: "Local error",
	500: "Not understood",
	501: "The arguments are wrong",
	502: "Not offered here",
	503: "Not in this order",
	504: "Not with these arguments",
	530: "Log in with USER and PASS",
	550: "Not possible",
	552: "Quota exceeded",
	553: "The name is not allowed",
}

// plain is the reply of a code with its constant text.
func plain(code int) reply {
	if text, ok := done[code]; ok {
		return reply{code, text}
	}
	if text, ok := refused[code]; ok {
		return reply{code, text}
	}
	return reply{code, "See the code"}
}
