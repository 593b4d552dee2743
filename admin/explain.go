package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (a *API) registerExplain(api huma.API) {
	ask := operation("explain", http.MethodPost, "/explain", "Say what would be decided, and why", rightLook)
	ask.Metadata["reads"] = true
	huma.Register(api, ask, a.explain)
	huma.Register(api, operation("explain-reference", http.MethodGet, "/explain", "Say why the attempt with this reference was refused", rightLook), a.explainRef)
}

// Question is what explain is asked: an attempt, or the reference of a refusal.
type Question struct {
	Reference    string     `json:"reference,omitempty" doc:"of a refusal; everything else is then left out"`
	Account      string     `json:"account,omitempty"`
	Door         string     `json:"door,omitempty" enum:"sftp,ftp,webdav,web,api,account"`
	From         string     `json:"from,omitempty" doc:"an address; default 127.0.0.1"`
	TLS          bool       `json:"tls,omitempty" doc:"FTP and HTTP: the transport is encrypted"`
	Transport    string     `json:"transport,omitempty" enum:"clear,tls,tls-proxied,ssh" doc:"default: ssh at sftp, else as tls says"`
	Credential   string     `json:"credential,omitempty" enum:"password,key,certificate,app-password,token,client,cookie" doc:"default password; a valid one is assumed"`
	CredentialID string     `json:"credential_id,omitempty" maxLength:"200" doc:"of one of the account's, with its own limits"`
	SecondFactor string     `json:"second_factor,omitempty" enum:"proved,missing" doc:"where the account has one; default proved"`
	Time         *time.Time `json:"time,omitempty" doc:"default now"`
	Operation    string     `json:"operation,omitempty" enum:"stat,list,read,create,write,delete,share"`
	Path         string     `json:"path,omitempty" maxLength:"4096" doc:"as the account sees it through the door"`
}

// Answer is what would be decided. Chain has every rule's own answer, in the
// order in which a refusal is named.
type Answer struct {
	Decision  string         `json:"decision" enum:"allow,deny"`
	Rule      string         `json:"rule"`
	Because   string         `json:"because"`
	Setting   string         `json:"setting,omitempty" doc:"what the rule reads"`
	Remedy    string         `json:"remedy,omitempty"`
	Until     *time.Time     `json:"until,omitempty" doc:"when time alone changes the answer"`
	TreePath  string         `json:"tree_path,omitempty"`
	RealPath  string         `json:"real_path,omitempty" doc:"where links lead, if elsewhere"`
	LockedBy  string         `json:"locked_by,omitempty" doc:"whose lock stands in the way of a change, whatever the decision"`
	Situation *SituationView `json:"situation,omitempty"`
	Chain     []policy.Step  `json:"chain"`
	Event     *events.Event  `json:"event,omitempty" doc:"the refusal that was asked about"`
}

// SituationView is what stands against an attempt at this moment.
type SituationView struct {
	Banned          bool `json:"banned" doc:"the address"`
	Locked          bool `json:"locked" doc:"the account, after failures"`
	AccountSessions int  `json:"account_sessions"`
	AddressSessions int  `json:"address_sessions"`
	SiteSessions    int  `json:"site_sessions"`
}

func (a *API) explain(ctx context.Context, in *bodyOf[Question]) (*bodyOf[Answer], error) {
	q := in.Body
	if q.Reference != "" {
		return a.explainReference(ctx, q.Reference)
	}
	x, err := a.looked(ctx, q.Account)
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, a.problem(invalid("account", "there is no such account"))
	}
	if err != nil {
		return nil, a.problem(err)
	}
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.problem(err)
	}
	attempt, err := a.attemptOf(ctx, q, x, effective)
	if err != nil {
		return nil, a.problem(err)
	}
	answer := answerOf(effective.Admit(attempt))
	answer.Chain = effective.Chain(attempt)
	answer.Situation = &SituationView{
		attempt.Banned, attempt.Locked, attempt.Sessions.Account, attempt.Sessions.Address, attempt.Sessions.All,
	}
	if q.Operation != "" {
		if err := a.explainOperation(ctx, effective.Scoped(attempt.Credential.Scope), q, &answer); err != nil {
			return nil, a.problem(err)
		}
	}
	return &bodyOf[Answer]{answer}, nil
}

// attemptOf makes the attempt that is asked about: a valid credential, and the
// present bans, locks and counts.
func (a *API) attemptOf(ctx context.Context, q Question, x accounts.Account, e policy.Effective) (policy.Attempt, error) {
	from := netip.MustParseAddr("127.0.0.1")
	if q.From != "" {
		parsed, err := netip.ParseAddr(q.From)
		if err != nil {
			return policy.Attempt{}, invalid("from", "is no address")
		}
		from = parsed
	}
	kind := policy.KindPassword
	if q.Credential != "" {
		kind = policy.CredentialKind(q.Credential)
	}
	t := policy.Attempt{Door: policy.Door(q.Door), Address: from, Time: time.Now(), Transport: transportOf(q)}
	if q.Time != nil {
		t.Time = *q.Time
	}
	t.Credential = a.Sessions.Assume(x, e, kind, q.CredentialID)
	if q.CredentialID != "" && !t.Credential.Proved {
		return t, invalid("credential_id", "is none of the account's credentials of this kind")
	}
	if q.SecondFactor == "missing" && x.HasCode() {
		t.Credential.Code = e.Code(kind, policy.FactorAsked)
	}
	var err error
	t.Banned, t.Locked, t.Sessions, err = a.Sessions.Situation(ctx, x, from)
	return t, err
}

func transportOf(q Question) policy.Transport {
	switch {
	case q.Transport != "":
		return policy.Transport(q.Transport)
	case policy.Door(q.Door) == policy.SFTP:
		return policy.SSH
	case q.TLS:
		return policy.TLS
	}
	return policy.Clear
}

func answerOf(d policy.Decision) Answer {
	answer := Answer{Decision: "deny", Rule: string(d.Rule), Because: d.Because, Setting: d.Rule.Text().Setting, Chain: []policy.Step{}}
	if d.Allowed {
		answer.Decision = "allow"
	} else {
		answer.Remedy = d.Rule.Text().Remedy
	}
	if !d.Until.IsZero() {
		answer.Until = &d.Until
	}
	return answer
}

// explainOperation adds the decision on an operation; it is the answer where
// the account would come in.
func (a *API) explainOperation(ctx context.Context, e policy.Effective, q Question, answer *Answer) error {
	seen, err := path.Parse(q.Path)
	if err != nil {
		return invalid("path", err.Error())
	}
	found, err := a.Sessions.Explain(ctx, e, policy.Door(q.Door), policy.Operation(q.Operation), seen)
	if err != nil {
		return err
	}
	answer.Chain = append(answer.Chain, policy.Step{Rule: found.Rule, Allowed: found.Allowed, Because: found.Because})
	if answer.Decision == "allow" {
		chain, situation := answer.Chain, answer.Situation
		*answer = answerOf(found.Decision)
		answer.Chain, answer.Situation = chain, situation
	}
	a.tellPaths(ctx, found, answer)
	return nil
}

// tellPaths tells where the operation would act. Whose lock is in the way is for
// those who may look at that account.
func (a *API) tellPaths(ctx context.Context, found session.Explained, answer *Answer) {
	answer.TreePath = found.Asked.String()
	if found.Real != found.Asked {
		answer.RealPath = found.Real.String()
	}
	if found.Lock == nil {
		return
	}
	answer.LockedBy = "another account"
	if r, err := a.reachOf(ctx); err == nil && r.sees(found.Lock.AccountID) {
		answer.LockedBy = found.Lock.Account
	}
}

type referenceInput struct {
	Reference string `query:"ref" required:"true" maxLength:"64"`
}

func (a *API) explainRef(ctx context.Context, in *referenceInput) (*bodyOf[Answer], error) {
	return a.explainReference(ctx, in.Reference)
}

// explainReference tells of a refusal to those with rights over its account. A
// name that is nobody's is for those who may look at everything.
func (a *API) explainReference(ctx context.Context, reference string) (*bodyOf[Answer], error) {
	found, _, err := a.Events.List(ctx, events.Query{Reference: reference, Limit: 1})
	if err != nil {
		return nil, a.problem(err)
	}
	r, err := a.reachOf(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	if len(found) == 0 || !r.sees(found[0].AccountID) {
		return nil, a.problem(invalid("reference", "no refusal has this reference"))
	}
	e := found[0]
	text := policy.Rule(e.Rule).Text()
	answer := Answer{Decision: "deny", Rule: e.Rule, Because: e.Reason, Setting: text.Setting, Remedy: text.Remedy, Event: &e}
	answer.Chain = []policy.Step{{Rule: policy.Rule(e.Rule), Because: e.Reason}}
	return &bodyOf[Answer]{answer}, nil
}
