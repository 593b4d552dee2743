package sftp

import (
	"strings"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
)

// The questions of keyboard-interactive (RFC 4256), the same for every account.
// The answer to the second is shown as it is typed: clients that keep a password
// give it to whatever asks for something hidden.
const (
	askPassword = "Password: "
	askCode     = "One-time code: "
)

// A codeNeeded says that everything was right, and what the code goes with.
type codeNeeded struct{ attempt auth.Attempt }

func (*codeNeeded) Error() string { return "the one-time code is needed" }

// step has the client go on to the code by keyboard-interactive where what it
// proved was right and is not enough: the partial success of RFC 4252, 5.1.
func (l *login) step(p *ssh.Permissions, err error) (*ssh.Permissions, error) {
	needed, ok := err.(*codeNeeded)
	if !ok {
		return p, err
	}
	l.longer()
	return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return l.code(needed.attempt, ask)
		},
	}}
}

// asked is a login by questions: the password and, where that was right and is
// not enough, the code.
func (l *login) asked(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	answers, err := ask("", "", []string{askPassword}, []bool{false})
	if err != nil {
		return nil, err
	}
	p, err := l.withPassword(meta, answers[0])
	needed, ok := err.(*codeNeeded)
	if !ok {
		return p, err
	}
	l.longer()
	return l.code(needed.attempt, ask)
}

// code asks for the code that an attempt lacks.
func (l *login) code(a auth.Attempt, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	answers, err := ask("", "", []string{askCode}, []bool{true})
	if err != nil {
		return nil, err
	}
	if a.Code = strings.TrimSpace(answers[0]); a.Code == "" {
		return nil, errNoCode
	}
	p, err := l.in(a)
	if _, again := err.(*codeNeeded); again {
		return nil, errNoCode // never asked for twice in one step
	}
	return p, err
}
