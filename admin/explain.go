package admin

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (a *API) registerExplain(api huma.API) {
	ask := rest.Operation("explain", http.MethodPost, "/explain", "Say what would be decided, and why", rest.Look)
	ask.Metadata["reads"] = true
	huma.Register(api, ask, a.explain)
	huma.Register(api, rest.Operation("explain-reference", http.MethodGet, "/explain", "Say why the attempt with this reference was refused", rest.Look), a.explainRef)
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
	Operation    string     `json:"operation,omitempty" enum:"stat,list,read,create,write,delete,share,rename,copy"`
	Path         string     `json:"path,omitempty" maxLength:"4096" doc:"as the account sees it through the door"`
	TreePath     string     `json:"tree_path,omitempty" maxLength:"4096" doc:"in place of path: where it is in the tree"`
	Size         *int64     `json:"size,omitempty" minimum:"0" doc:"of a write, or of a file that is created: how many bytes the whole file has; without it one is supposed"`
	To           string     `json:"to,omitempty" maxLength:"4096" doc:"the target of a rename or copy, as the account sees it"`
	ToTreePath   string     `json:"to_tree_path,omitempty" maxLength:"4096" doc:"in place of to"`
	Overwrite    *bool      `json:"overwrite,omitempty" doc:"whether a rename or copy replaces what is there; default as clients of the door do"`
}

// Answer is what would be decided. Chain has every rule's own answer, in the
// order in which a refusal is named.
type Answer struct {
	Decision  string     `json:"decision" enum:"allow,deny"`
	Rule      string     `json:"rule"`
	Because   string     `json:"because"`
	Setting   string     `json:"setting,omitempty" doc:"what the rule reads"`
	Remedy    string     `json:"remedy,omitempty"`
	Until     *time.Time `json:"until,omitempty" doc:"when time alone changes the answer"`
	Transport string     `json:"transport,omitempty" doc:"the one that was judged"`
	PlaceView
	To        *PlaceView     `json:"to,omitempty" doc:"the target of a rename or copy"`
	Obstacle  string         `json:"obstacle,omitempty" doc:"what would stop the operation although the rules allow it"`
	LockedBy  string         `json:"locked_by,omitempty" doc:"whose lock stands in the way of a change, whatever the decision"`
	Lock      *HeldView      `json:"lock,omitempty" doc:"that lock: what it is on, and until when"`
	Upload    *UploadView    `json:"upload,omitempty" doc:"of a file that the rules allow to be written: what was supposed of its size, and what would go through"`
	Situation *SituationView `json:"situation,omitempty"`
	Chain     []policy.Step  `json:"chain"`
	Event     *events.Event  `json:"event,omitempty" doc:"the refusal that was asked about"`
	Now       *NowView       `json:"now,omitempty" doc:"of a refusal: how the same attempt would be decided now; absent where nobody could make it again"`
}

// PlaceView is where an operation acts.
type PlaceView struct {
	SeenPath string `json:"seen_path,omitempty" doc:"as the account sees it through the door"`
	TreePath string `json:"tree_path,omitempty" doc:"in the tree"`
	RealPath string `json:"real_path,omitempty" doc:"where links lead, if elsewhere"`
}

// HeldView is what a lock in the way is on, and when it ends by itself.
type HeldView struct {
	Path    string    `json:"path,omitempty" doc:"in the tree; absent where the caller may not know it"`
	Expires time.Time `json:"expires" doc:"unless its client refreshes it"`
}

// UploadView is how large a file could be written.
type UploadView struct {
	SizeBytes *int64 `json:"size_bytes" doc:"that was asked about; null: one byte was supposed"`
	MostBytes *int64 `json:"most_bytes" doc:"the largest file that would go through now; null is unlimited"`
	Rule      string `json:"rule,omitempty" doc:"what bounds it; absent where it is the room on the store"`
}

// NowView is how an attempt of before would be decided now.
type NowView struct {
	Decision string        `json:"decision" enum:"allow,deny"`
	Rule     string        `json:"rule"`
	Because  string        `json:"because"`
	Remedy   string        `json:"remedy,omitempty"`
	Until    *time.Time    `json:"until,omitempty"`
	Chain    []policy.Step `json:"chain"`
}

// SituationView is what stands against an attempt at this moment.
type SituationView struct {
	Banned          bool `json:"banned" doc:"the address"`
	Locked          bool `json:"locked" doc:"the account, after failures"`
	AccountSessions int  `json:"account_sessions"`
	AddressSessions int  `json:"address_sessions"`
	SiteSessions    int  `json:"site_sessions"`
}

func (a *API) explain(ctx context.Context, in *rest.Body[Question]) (*rest.Body[Answer], error) {
	q := in.Body
	if q.Reference != "" {
		return a.explainReference(ctx, q.Reference)
	}
	x, err := a.Looked(ctx, q.Account)
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, a.Problem(rest.Invalid("account", "there is no such account"))
	}
	if err != nil {
		return nil, a.Problem(err)
	}
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.Problem(err)
	}
	attempt, err := a.attemptOf(ctx, q, x, effective)
	if err != nil {
		return nil, a.Problem(err)
	}
	answer := answerOf(effective.Admit(attempt))
	answer.Chain = effective.Chain(attempt)
	answer.Transport = string(attempt.Transport)
	answer.Situation = &SituationView{
		attempt.Banned, attempt.Locked, attempt.Sessions.Account, attempt.Sessions.Address, attempt.Sessions.All,
	}
	if q.Operation != "" {
		if err := a.explainOperation(ctx, effective.Scoped(attempt.Credential.Scope), q, &answer); err != nil {
			return nil, a.Problem(err)
		}
	}
	return &rest.Body[Answer]{Body: answer}, nil
}

// attemptOf makes the attempt that is asked about: a valid credential, and the
// present bans, locks and counts.
func (a *API) attemptOf(ctx context.Context, q Question, x accounts.Account, e policy.Effective) (policy.Attempt, error) {
	from := netip.MustParseAddr("127.0.0.1")
	if q.From != "" {
		parsed, err := netip.ParseAddr(q.From)
		if err != nil {
			return policy.Attempt{}, rest.Invalid("from", "is no address")
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
	t.Credential = a.Auth.Assume(x, e, kind, q.CredentialID)
	if q.CredentialID != "" && !t.Credential.Proved {
		return t, rest.Invalid("credential_id", "is none of the account's credentials of this kind")
	}
	if q.SecondFactor == "missing" && x.HasCode() {
		t.Credential.Code = e.Code(kind, policy.FactorAsked)
	}
	var err error
	t.Banned, t.Locked, t.Sessions, err = a.Explain.Situation(ctx, x, from)
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
