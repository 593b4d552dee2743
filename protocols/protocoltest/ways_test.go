package protocoltest_test

import (
	"net/netip"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// A proof is what a way in proves an account with.
type proof string

const (
	byPassword    proof = "password"
	byCode        proof = "password and code"
	byKey         proof = "key"
	byKeyAndCode  proof = "key and code"
	byCertificate proof = "certificate"
	byApp         proof = "app password"
	byToken       proof = "token"
	byLink        proof = "link"
	byClient      proof = "client"
	byInvitation  proof = "invitation"
)

// A way is a way in: a door, how it is reached, and a proof.
type way struct {
	name      string
	door      policy.Door
	transport policy.Transport
	proof     proof
	enter     func(*house, caller) (visit, error)
}

var ways = []way{
	{"SFTP password", policy.SFTP, policy.SSH, byPassword, (*house).withPassword},
	{"SFTP password and code", policy.SFTP, policy.SSH, byCode, func(h *house, c caller) (visit, error) { return h.overSSH(c, c.asked()) }},
	{"SFTP key", policy.SFTP, policy.SSH, byKey, (*house).withKey},
	{"SFTP key and code", policy.SFTP, policy.SSH, byKeyAndCode, (*house).withKey},
	{"SFTP certificate", policy.SFTP, policy.SSH, byCertificate, (*house).withKey},
	{"SFTP app password", policy.SFTP, policy.SSH, byApp, (*house).withPassword},
	{"FTP password", policy.FTP, policy.TLS, byPassword, func(h *house, c caller) (visit, error) { return h.overFTP(onFTP, c, false) }},
	{"FTP password, in clear", policy.FTP, policy.Clear, byPassword, func(h *house, c caller) (visit, error) { return h.overFTP(onFTP, c, true) }},
	{"FTP app password", policy.FTP, policy.TLS, byApp, func(h *house, c caller) (visit, error) { return h.overFTP(onFTP, c, false) }},
	{"FTPS password", policy.FTP, policy.TLS, byPassword, func(h *house, c caller) (visit, error) { return h.overFTP(onFTPS, c, false) }},
	{"FTPS app password", policy.FTP, policy.TLS, byApp, func(h *house, c caller) (visit, error) { return h.overFTP(onFTPS, c, false) }},
	{"WebDAV password", policy.WebDAV, policy.TLS, byPassword, func(h *house, c caller) (visit, error) { return h.overDAV(onHTTPS, c) }},
	{"WebDAV password, in clear", policy.WebDAV, policy.Clear, byPassword, func(h *house, c caller) (visit, error) { return h.overDAV(onHTTP, c) }},
	{"WebDAV app password", policy.WebDAV, policy.TLS, byApp, func(h *house, c caller) (visit, error) { return h.overDAV(onHTTPS, c) }},
	{"WebDAV client", policy.WebDAV, policy.TLS, byClient, func(h *house, c caller) (visit, error) { return h.overDAV(onHTTPS, c) }},
	{"API password", policy.API, policy.TLS, byPassword, (*house).overAPI},
	{"API password and code", policy.API, policy.TLS, byCode, (*house).overAPI},
	{"API token", policy.API, policy.TLS, byToken, (*house).withToken},
	{"reset link", policy.AccountPages, policy.TLS, byLink, func(h *house, c caller) (visit, error) { return h.withLink(onHTTPS, resetting, c) }},
	{"invitation", policy.AccountPages, policy.TLS, byInvitation, func(h *house, c caller) (visit, error) { return h.withLink(onHTTPS, inviting, c) }},
	{"invitation, in clear", policy.AccountPages, policy.Clear, byInvitation, func(h *house, c caller) (visit, error) { return h.withLink(onHTTP, inviting, c) }},
	{"API invitation", policy.API, policy.TLS, byInvitation, (*house).accepting},
}

// A guest has an account and everything that a way in proves it with.
type guest struct {
	caller
	person protocoltest.Person
	by     proof
	codes  func() string // the code of the moment
}

// now is the guest as it arrives: a code that was made when the guest was would
// be too old on a machine that is slow enough.
func (g guest) now() caller {
	c := g.caller
	if g.codes != nil {
		c.code = g.codes()
	}
	return c
}

// A badge is what else a guest is given.
type badge struct {
	account    func(*accounts.Account)
	credential func(*accounts.Credential)
	sign       func(*ssh.Certificate)
}

// welcome makes an account that may come in by a way, and what it comes with: for
// an invitation, that alone.
func (h *house) welcome(name string, from netip.Addr, by proof, b badge) guest {
	h.t.Helper()
	if by == byInvitation {
		return guest{by: by, caller: caller{name: name, from: from, link: h.invitation(links.Invitation{})}}
	}
	changes := []func(*accounts.Account){}
	if b.account != nil {
		changes = append(changes, b.account)
	}
	p := h.Add(name, changes...)
	g := guest{person: p, by: by, caller: caller{name: name, from: from, password: p.Password, key: p.Key}}
	switch by {
	case byCode:
		g.codes = h.Enrol(name).Code
	case byKeyAndCode:
		g.codes = h.Enrol(name).Code
		h.Change(name, func(a *accounts.Account) { a.SecondFactor.WithKey = true })
	case byCertificate:
		g.key = protocoltest.Certify(h.t, h.ca, name, b.sign)
	case byApp:
		g.password = h.Issue(name, b.issued(policy.KindAppPassword))
	case byClient:
		g.password = h.Issue(name, b.issued(policy.KindClient))
	case byLink:
		g.link = h.resetLink(p.ID)
	case byToken:
		g.token = h.Issue(name, b.issued(policy.KindToken))
	}
	return g
}

// issued is a credential of a kind, as the badge wants it.
func (b badge) issued(kind policy.CredentialKind) accounts.Credential {
	c := accounts.Credential{Kind: kind}
	if kind == policy.KindClient {
		c.Device = &accounts.Device{Computer: "laptop"}
	}
	if b.credential != nil {
		b.credential(&c)
	}
	return c
}
