package index

// A Change says what has changed. Names are canonical.
type Change struct {
	Kind string // account | group | site | all
	ID   string
	Name string
}

// Kinds of changes. KindAll asks to look at everything anew.
const (
	KindAccount = "account"
	KindGroup   = "group"
	KindSite    = "site"
	KindAll     = "all"
)

// MaxTold is how many changes are told one by one: more are one of KindAll.
const MaxTold = 256
