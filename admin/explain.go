package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (a *API) registerExplain(api huma.API) {
	huma.Register(api, operation("explain", http.MethodPost, "/explain", "Say what would be decided, and why", rightRead), a.explain)
}

// Question is what explain is asked: an attempt, or the reference of a refusal.
type Question struct {
	Reference  string     `json:"reference,omitempty" doc:"of a refusal; everything else is then left out"`
	Account    string     `json:"account,omitempty"`
	Door       string     `json:"door,omitempty" enum:"sftp,ftp,webdav,web,api"`
	From       string     `json:"from,omitempty" doc:"an address; default 127.0.0.1"`
	TLS        bool       `json:"tls,omitempty" doc:"FTP and HTTP: the transport is encrypted"`
	Credential string     `json:"credential,omitempty" enum:"password,key" doc:"default password"`
	Time       *time.Time `json:"time,omitempty" doc:"default now"`
	Operation  string     `json:"operation,omitempty" enum:"stat,list,read,create,write,delete,share"`
	Path       string     `json:"path,omitempty" doc:"as the account sees it through the door"`
}

// Answer is what would be decided. Chain has every rule's own answer, in the
// order in which a refusal is named.
type Answer struct {
	Decision string        `json:"decision" enum:"allow,deny"`
	Rule     string        `json:"rule"`
	Because  string        `json:"because"`
	Remedy   string        `json:"remedy,omitempty"`
	Until    *time.Time    `json:"until,omitempty" doc:"when time alone changes the answer"`
	TreePath string        `json:"tree_path,omitempty"`
	Chain    []policy.Step `json:"chain"`
	Event    *events.Event `json:"event,omitempty" doc:"the refusal that was asked about"`
}

func (a *API) explain(ctx context.Context, in *bodyOf[Question]) (*bodyOf[Answer], error) {
	q := in.Body
	if q.Reference != "" {
		return a.explainReference(ctx, q.Reference)
	}
	x, err := a.Accounts.Account(ctx, q.Account)
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, a.problem(&accounts.InvalidError{Field: "account", Why: "there is no such account"})
	}
	if err != nil {
		return nil, a.problem(err)
	}
	attempt, err := a.attemptOf(ctx, q, x)
	if err != nil {
		return nil, a.problem(err)
	}
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.problem(err)
	}
	answer := answerOf(effective.Admit(attempt))
	answer.Chain = effective.Chain(attempt)
	if q.Operation != "" {
		if err := explainOperation(effective, q, &answer); err != nil {
			return nil, a.problem(err)
		}
	}
	return &bodyOf[Answer]{answer}, nil
}

// attemptOf makes the attempt that is asked about: a valid credential, and the
// present bans, locks and counts.
func (a *API) attemptOf(ctx context.Context, q Question, x accounts.Account) (policy.Attempt, error) {
	from := netip.MustParseAddr("127.0.0.1")
	if q.From != "" {
		parsed, err := netip.ParseAddr(q.From)
		if err != nil {
			return policy.Attempt{}, &accounts.InvalidError{Field: "from", Why: "is no address"}
		}
		from = parsed
	}
	t := policy.Attempt{
		Door: policy.Door(q.Door), Address: from, Time: time.Now(), Transport: transportOf(q),
		Credential: policy.Credential{Kind: policy.KindPassword, Proved: true},
	}
	if q.Credential != "" {
		t.Credential.Kind = policy.CredentialKind(q.Credential)
	}
	if q.Time != nil {
		t.Time = *q.Time
	}
	t.Credential.MustChange = x.Password != nil && x.Password.MustChange
	var err error
	t.Banned, t.Locked, t.Sessions, err = a.Sessions.Situation(ctx, x, from)
	return t, err
}

func transportOf(q Question) policy.Transport {
	switch {
	case policy.Door(q.Door) == policy.SFTP:
		return policy.SSH
	case q.TLS:
		return policy.TLS
	}
	return policy.Clear
}

func answerOf(d policy.Decision) Answer {
	answer := Answer{Decision: "deny", Rule: string(d.Rule), Because: d.Because, Chain: []policy.Step{}}
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
func explainOperation(e policy.Effective, q Question, answer *Answer) error {
	seen, err := path.Parse(q.Path)
	if err != nil {
		return &accounts.InvalidError{Field: "path", Why: err.Error()}
	}
	tree := e.View(policy.Door(q.Door)).Tree(seen)
	d := e.Decide(policy.Operation(q.Operation), policy.Target{Path: tree})
	if q.Operation == string(policy.OpList) {
		d = e.Decide(policy.OpList, policy.Target{Path: tree, Folder: true})
	}
	answer.Chain = append(answer.Chain, policy.Step{Rule: d.Rule, Allowed: d.Allowed, Because: d.Because})
	if answer.Decision == "allow" {
		chain := answer.Chain
		*answer = answerOf(d)
		answer.Chain = chain
	}
	answer.TreePath = tree.String()
	return nil
}

func (a *API) explainReference(ctx context.Context, reference string) (*bodyOf[Answer], error) {
	found, _, err := a.Events.List(ctx, events.Query{Reference: reference, Limit: 1})
	if err != nil {
		return nil, a.problem(err)
	}
	if len(found) == 0 {
		return nil, a.problem(&accounts.InvalidError{Field: "reference", Why: "no refusal has this reference"})
	}
	e := found[0]
	answer := Answer{Decision: "deny", Rule: e.Rule, Because: e.Reason, Remedy: policy.Rule(e.Rule).Text().Remedy, Event: &e}
	answer.Chain = []policy.Step{{Rule: policy.Rule(e.Rule), Because: e.Reason}}
	return &bodyOf[Answer]{answer}, nil
}
