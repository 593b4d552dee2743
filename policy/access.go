package policy

import "net/netip"

// Access is everything that holds for an account and where each of it comes
// from, for those who ask what somebody may do and why.
type Access struct {
	Grants []GrantOrigin `json:"grants"`
	// Cut are the grants of which less holds than they say.
	Cut          []CutGrant     `json:"cut"`
	Folders      []FolderOrigin `json:"folders"`
	Protocols    []DoorOrigin   `json:"protocols"`
	Views        []DoorView     `json:"views"`
	Limits       []LimitOrigin  `json:"limits"`
	Quota        QuotaOrigin    `json:"quota"`
	PlainFTP     DecisionText   `json:"plain_ftp"`
	Uploads      []DoorUploads  `json:"uploads"`
	Addresses    AddressOrigin  `json:"addresses"`
	SecondFactor FactorOrigin   `json:"second_factor"`
	PasswordAge  AgeOrigin      `json:"password_age"`
	ShareLinks   DecisionText   `json:"share_links"`
	Desktop      DecisionText   `json:"desktop_access"`
	// Managers are the accounts without which a guest is not let in.
	Managers []string `json:"managers"`
}

// DoorView is what the account sees through one door.
type DoorView struct {
	Door     Door    `json:"door"`
	Root     string  `json:"root"`
	Entries  []Entry `json:"entries"`
	Shadowed []Entry `json:"shadowed"` // lost a clash of names: they do not appear
}

// DoorUploads is how uploads through one door arrive.
type DoorUploads struct {
	Door    Door    `json:"door"`
	Uploads Uploads `json:"uploads"`
	Origin  string  `json:"origin"`
}

// DecisionText is a decision as the outside sees it.
type DecisionText struct {
	Allowed bool   `json:"allowed"`
	Rule    Rule   `json:"rule"`
	Because string `json:"because"`
}

// AddressOrigin is the lists from which the allowed addresses follow.
type AddressOrigin struct {
	Site    []netip.Prefix `json:"site"`
	Account []netip.Prefix `json:"account"`
	Bypass  bool           `json:"bypass"`
	// From says in words which of them holds.
	From string `json:"from"` // anywhere | account | site | site or account
}

// Access describes e.
func (e Effective) Access() Access {
	r := e.get()
	plain := e.PlainFTP()
	a := Access{
		Grants:       e.Grants(),
		Cut:          e.Cuts(),
		Folders:      e.Folders(),
		Protocols:    e.Protocols(),
		Limits:       e.LimitOrigins(),
		Quota:        e.HomeQuotaOrigin(),
		PlainFTP:     DecisionText{plain.Allowed, plain.Rule, plain.Because},
		Addresses:    r.addresses(),
		SecondFactor: e.SecondFactor(),
		PasswordAge:  e.PasswordAge(),
		ShareLinks:   r.sharing(),
		Desktop:      DecisionText{r.account.Desktop != Deny, RuleDesktop, "the account's desktop_access is " + string(orInherit(r.account.Desktop))},
		Managers:     []string{},
	}
	for _, m := range r.managers {
		a.Managers = append(a.Managers, m.name)
	}
	for _, d := range Doors() {
		v := e.View(d)
		a.Views = append(a.Views, DoorView{d, v.Root.String(), notNil(v.Entries), notNil(v.Shadowed)})
		how, origin := r.uploads(d)
		a.Uploads = append(a.Uploads, DoorUploads{d, how, origin})
	}
	return a
}

// sharing says whether grants may give the right to share.
func (r *resolved) sharing() DecisionText {
	if r.unshared != "" {
		return DecisionText{false, RuleShareLinks, r.unshared}
	}
	return DecisionText{true, RuleShareLinks, "the account's share_links is " + string(orInherit(r.account.ShareLinks))}
}

func (r *resolved) addresses() AddressOrigin {
	a := AddressOrigin{Site: notNil([]netip.Prefix(r.siteIPs)), Account: notNil([]netip.Prefix(r.accountIPs)), Bypass: r.account.Bypass}
	site, own := r.siteIPs.set(), r.accountIPs.set()
	switch {
	case own && (a.Bypass || !site):
		a.From = "account"
	case own:
		a.From = "site or account"
	case site && !a.Bypass:
		a.From = "site"
	default:
		a.From = "anywhere"
	}
	return a
}

// notNil makes a list that is written as [] where it is empty.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
