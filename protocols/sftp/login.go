package sftp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
)

// admitted is the key under which the permissions of an SSH handshake carry the
// session: only what the handshake itself completed with counts.
type admitted struct{}

// unavailable is what clients hear where nothing could be decided.
const unavailable = "login is not possible at the moment, try again later"

// A login is the proving part of one connection.
type login struct {
	c *connection
	// ctx ends with the time for the login; the library's callbacks have none.
	ctx context.Context
	// longer gives time to type a code. It is called once.
	longer func()
	// made are the sessions that this connection was admitted to. More than the
	// one that the handshake completes with can only be there where it failed.
	made   []*session.Session
	offers offers
}

// config makes the handshake's configuration. It is made for each connection,
// since the callbacks know their connection.
func (l *login) config() *ssh.ServerConfig {
	server := l.c.server
	a := server.config.offeredTo(l.c.address)
	config := &ssh.ServerConfig{
		Config:                    ssh.Config{KeyExchanges: a.KeyExchanges, Ciphers: a.Ciphers, MACs: a.MACs},
		PublicKeyAuthAlgorithms:   a.PublicKeys,
		MaxAuthTries:              server.config.Limits.LoginTries,
		ServerVersion:             server.config.ServerVersion,
		PasswordCallback:          l.password,
		PublicKeyCallback:         l.offered,
		VerifiedPublicKeyCallback: l.verified,
		// Of everyone, with a second factor or without: which of them it is shows
		// only once the password was right.
		KeyboardInteractiveCallback: l.asked,
	}
	if banner := server.config.Banner; banner != "" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return banner + "\n" }
	}
	server.keys.addTo(config, a.sha1)
	return config
}

func (l *login) attempt(meta ssh.ConnMetadata) auth.Attempt {
	return auth.Attempt{
		Account: meta.User(), Door: policy.SFTP, Transport: policy.SSH,
		Address: l.c.address, Client: string(meta.ClientVersion()),
	}
}

func (l *login) password(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	return l.step(l.withPassword(meta, string(password)))
}

func (l *login) withPassword(meta ssh.ConnMetadata, password string) (*ssh.Permissions, error) {
	a := l.attempt(meta)
	a.Password = password
	if a.Password == "" {
		// Clients try the empty one by themselves; nobody's is empty.
		return nil, errEmptyPassword
	}
	return l.in(a)
}

// What costs no hash and is no event.
var (
	errEmptyPassword = errors.New("the password is empty")
	errNoCode        = errors.New("no code was given")
)

// offered answers a client that asks whether a key is worth a signature. The
// library also asks it before it verifies one.
func (l *login) offered(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	a := l.withKey(meta, key)
	taken := l.c.server.config.Manager.OffersKey(l.ctx, a)
	l.offers.add(a, taken)
	if !taken {
		return nil, errUnknownKey
	}
	return &ssh.Permissions{}, nil
}

// gone notes whom a client that left, or has come in, had offered keys for and
// signed with none.
func (l *login) gone() {
	left := l.offers.left()
	if len(left) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), noteTime)
	defer cancel()
	for _, a := range left {
		if err := l.c.server.config.Manager.RefuseOffer(ctx, a); err != nil {
			l.c.log.Error("record a refused sftp login", "error", err)
		}
	}
}

// noteTime is how long the log may take to note who has left already.
const noteTime = 5 * time.Second

var errUnknownKey = errors.New("the key is not the account's")

// verified is called with the key or certificate whose signature was verified,
// and no other. What a certificate is worth is not decided here.
func (l *login) verified(meta ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	return l.step(l.in(l.withKey(meta, key)))
}

func (l *login) withKey(meta ssh.ConnMetadata, key ssh.PublicKey) auth.Attempt {
	a := l.attempt(meta)
	if certificate, ok := key.(*ssh.Certificate); ok {
		a.Certificate = certificate
	} else {
		a.Key = key
	}
	return a
}

// in asks for the session. The text of a refusal travels in a banner, the only
// words that SSH has during a login.
func (l *login) in(a auth.Attempt) (*ssh.Permissions, error) {
	l.offers.judge(a.Account)
	s, err := l.c.server.config.Manager.Login(l.ctx, a)
	var refused *auth.RefusedError
	var needed *auth.CodeNeededError
	switch {
	case errors.As(err, &refused):
		return nil, &ssh.BannerError{Err: err, Message: refused.Error() + "\n"}
	case errors.As(err, &needed):
		a.Password, a.Proved = "", needed.Proved
		return nil, &codeNeeded{a}
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		level := slog.LevelError
		if errors.Is(err, session.ErrStateAway) { // the log tells that once, and not for each login
			level = slog.LevelDebug
		}
		l.c.log.Log(l.ctx, level, "an sftp login was not decided", "error", err)
		return nil, &ssh.BannerError{Err: err, Message: unavailable + "\n"}
	}
	l.made = append(l.made, s)
	return &ssh.Permissions{ExtraData: map[any]any{admitted{}: s}}, nil
}

// session returns the session that a handshake completed with and closes every
// other; with nil permissions, of a handshake that failed, it closes all.
func (l *login) session(p *ssh.Permissions) *session.Session {
	var mine *session.Session
	if p != nil {
		mine, _ = p.ExtraData[admitted{}].(*session.Session)
	}
	for _, s := range l.made {
		if s != mine {
			s.Close()
		}
	}
	return mine
}
