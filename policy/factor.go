package policy

// OriginShared is where what holds for shared accounts comes from.
const OriginShared = "shared account"

// A Factor is how it stands with an account's second factor, whatever
// credential comes with it.
type Factor int

// The states of a second factor: the account has none, it has one and no right
// code was given, or one was.
const (
	FactorNone Factor = iota
	FactorAsked
	FactorProved
)

// Code returns the state of the second factor in an attempt with a credential of
// this kind: whether it takes a code, and whether the account must first set one
// up.
func (e Effective) Code(kind CredentialKind, f Factor) CodeState {
	r := e.get()
	switch {
	case f == FactorNone && r.mustEnrol(kind):
		return CodeEnrol
	case f == FactorNone || !r.asksCode(kind):
		return CodeNone
	case f == FactorProved:
		return CodeProved
	}
	return CodeNeeded
}

// A FactorOrigin says whether the account must have a second factor, who says
// so, and whether keys and certificates need a code, too.
type FactorOrigin struct {
	Required bool   `json:"required"`
	Origin   string `json:"origin"`
	WithKey  bool   `json:"with_key"`
}

// CodeRequired reports whether the account must have a second factor.
func (e Effective) CodeRequired() bool { return e.SecondFactor().Required }

// SecondFactor says whether the account must have a second factor: as the
// account says, else the site. A shared account is exempt from what the site
// asks; an account whose keys need a code must have one.
func (e Effective) SecondFactor() FactorOrigin {
	r := e.get()
	own, with := r.account.SecondFactor.Required, r.account.SecondFactor.WithKey
	site := r.site.SecondFactor == SecondFactorRequired
	switch {
	case own == Allow || with:
		return FactorOrigin{true, OriginAccount, with}
	case own == Deny:
		return FactorOrigin{false, OriginAccount, false}
	case site && r.account.Shared:
		return FactorOrigin{false, OriginShared, false}
	case site:
		return FactorOrigin{true, OriginSite, false}
	}
	return FactorOrigin{false, OriginDefault, false}
}

// asksCode reports whether a credential of this kind needs a code beside it.
func (r *resolved) asksCode(kind CredentialKind) bool {
	switch kind {
	case KindPassword, KindCookie:
		return true
	case KindKey, KindCertificate:
		return r.account.SecondFactor.WithKey
	}
	return false
}

// mustEnrol reports whether a credential of this kind does nothing before the
// account, which has no second factor, has one.
func (r *resolved) mustEnrol(kind CredentialKind) bool {
	switch kind {
	case KindLink, KindSocket:
		return false
	case KindKey, KindCertificate:
		return r.account.SecondFactor.WithKey
	}
	return Effective{r}.CodeRequired()
}

// takesCode reports whether the attempt is a login with a code. A cookie is what
// came of one.
func takesCode(a *Attempt) bool {
	c := &a.Credential
	return (c.Code == CodeNeeded || c.Code == CodeProved) && c.Kind != KindCookie
}

func secondFactor(_ *resolved, a *Attempt) answer {
	c := &a.Credential
	switch {
	case c.Code != CodeNeeded && c.Code != CodeProved:
		return allow("the credential needs no code")
	case c.Kind == KindPassword && (a.Door == FTP || a.Door == WebDAV):
		return refuse("the account has a second factor, which this door cannot ask for: the password alone opens it no more")
	case c.Code == CodeNeeded:
		return refuse("the code of the second factor is missing or wrong")
	}
	return allow("the code was right")
}

func enrol(_ *resolved, a *Attempt) answer {
	switch {
	case a.Credential.Code != CodeEnrol:
		return allow("no second factor is missing")
	case a.Credential.Kind == KindLink:
		return allow("a link opens nothing but its page")
	case enrols(a):
		return allow("a second factor must be set up, and may be set up here")
	}
	return refuse("the account must have a second factor, and has none yet")
}

// enrols reports whether the attempt is let in to set up a second factor.
func enrols(a *Attempt) bool { return a.Credential.Code == CodeEnrol && interactive(a) }

// Enrols reports whether d lets somebody in for nothing but setting up a second
// factor.
func (d Decision) Enrols() bool { return d.Allowed && d.Rule == RuleEnrol }
