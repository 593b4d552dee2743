package sftp

import "gatehouse/auth"

// maxOffered is for how many accounts one connection's offers are noted, however
// many it may try.
const maxOffered = 8

// offers are the keys and certificates that a connection asks about: one for each
// account that it names, since a client may name another with every one. An offer
// alone is no login: that of a key which is the account's shows who asks that it is.
type offers struct {
	list []offer
	// judged are the accounts that had a login tried, which is in the log by itself.
	judged map[string]bool
}

type offer struct {
	auth.Attempt
	taken bool
}

// add keeps what says most of an account's offers. That is the first certificate
// that is not taken, since clients offer its key as well, else the first of what
// is not taken.
func (o *offers) add(a auth.Attempt, taken bool) {
	next := offer{a, taken}
	for i, x := range o.list {
		if x.Account != a.Account {
			continue
		}
		if next.tells() > x.tells() {
			o.list[i] = next
		}
		return
	}
	if len(o.list) < maxOffered {
		o.list = append(o.list, next)
	}
}

// tells is how much an offer says of why somebody does not come in.
func (o offer) tells() int {
	switch {
	case o.taken:
		return 0
	case o.Certificate == nil:
		return 1
	}
	return 2
}

// judge notes that a login was tried for an account.
func (o *offers) judge(account string) {
	if o.judged == nil {
		o.judged = make(map[string]bool)
	}
	o.judged[account] = true
}

// left are the offers for accounts that had no login tried.
func (o *offers) left() []auth.Attempt {
	var list []auth.Attempt
	for _, x := range o.list {
		if !o.judged[x.Account] {
			list = append(list, x.Attempt)
		}
	}
	return list
}
