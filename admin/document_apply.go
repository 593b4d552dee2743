package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

const (
	// mostApplied is how many accounts one request applies; a longer document is
	// sent in pieces.
	mostApplied = 1000
	// applyAtOnce is how many of them are made at the same time: they share the
	// waits for the disk.
	applyAtOnce = 200
	// maxDocument is how long the body of an apply may be.
	maxDocument = 16 << 20
)

// secretMark is where describe puts what tells two sets of secrets apart; it is
// shown to nobody.
const secretMark = "secrets_digest"

func (a *API) registerDocument(api huma.API) {
	huma.Register(api, operation("export", http.MethodGet, "/export", "Accounts, groups and site as a document that apply takes", rightAdmin), a.export)
	apply := operation("apply", http.MethodPost, "/apply", "Make accounts, groups and site as a document says; what it does not name stays", rightAdmin)
	apply.MaxBodyBytes = maxDocument
	huma.Register(api, apply, a.apply)
}

type applyInput struct {
	ConfirmInput
	DryRun  bool `query:"dry_run" doc:"only say what differs"`
	RawBody []byte
}

// Applied says what an apply did, or would do.
type Applied struct {
	Changes []AppliedChange  `json:"changes"`
	Refused []AppliedRefusal `json:"refused"`
	Same    int              `json:"unchanged"`
}

// AppliedChange is one record that was made or changed.
type AppliedChange struct {
	Kind   string         `json:"kind" enum:"site,group,account"`
	Name   string         `json:"name,omitempty"`
	Action string         `json:"action" enum:"create,change"`
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
	Notes  []string       `json:"notes,omitempty"`
}

// AppliedRefusal is one record that could not be made as the document says.
type AppliedRefusal struct {
	Kind string `json:"kind" enum:"site,group,account"`
	Name string `json:"name,omitempty"`
	Why  string `json:"why"`
}

// rawDocument is a document whose records are judged one by one.
type rawDocument struct {
	Version  int               `json:"gatehouse"`
	Site     json.RawMessage   `json:"site"`
	Groups   []json.RawMessage `json:"groups"`
	Accounts []json.RawMessage `json:"accounts"`
}

func (a *API) apply(ctx context.Context, in *applyInput) (*bodyOf[Applied], error) {
	doc, err := parseDocument(in.RawBody)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.mayCarrySecrets(ctx, hasSecrets(doc)); err != nil {
		return nil, err
	}
	if !in.DryRun {
		if err := a.intend(ctx, "apply", ""); err != nil {
			return nil, err
		}
	}
	p := &applier{api: a, ctx: ctx, confirm: in.Confirm, dry: in.DryRun, Applied: Applied{Changes: []AppliedChange{}, Refused: []AppliedRefusal{}}}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	p.zone = site.TimeZone
	p.run(doc)
	return &bodyOf[Applied]{p.Applied}, nil
}

func parseDocument(text []byte) (rawDocument, error) {
	var doc rawDocument
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return doc, invalid("body", "is no document: "+err.Error())
	}
	if doc.Version != DocumentVersion {
		return doc, invalid("gatehouse", "the document is of another version: this program takes 1")
	}
	if len(doc.Accounts) > mostApplied {
		return doc, invalid("accounts", "are too many for one request: send them in pieces of 1000")
	}
	return doc, nil
}

// hasSecrets reads the names of fields as apply does: JSON has many ways to write one.
func hasSecrets(doc rawDocument) bool {
	for _, raw := range doc.Accounts {
		var f struct {
			Secrets json.RawMessage `json:"secrets"`
		}
		_ = json.Unmarshal(raw, &f) // what is no record is refused when its turn comes
		if len(f.Secrets) > 0 {
			return true
		}
	}
	return false
}

// mayCarrySecrets lets hashes and sealed secrets pass over the local socket, or
// for an administrator who has just proved itself.
func (a *API) mayCarrySecrets(ctx context.Context, secrets bool) error {
	c := callerOf(ctx)
	if !secrets || c.Socket() {
		return nil
	}
	if status, why := c.stale(); status != 0 {
		return huma.NewError(status, why)
	}
	return nil
}

// An applier brings the records in line with a document.
type applier struct {
	api     *API
	ctx     context.Context // of the one request that it is for
	confirm string
	dry     bool
	zone    string

	mu sync.Mutex // guards what follows
	Applied
}

// run applies site, then groups, then accounts; what refers to somebody who
// comes later in the document is tried once more at the end.
func (p *applier) run(doc rawDocument) {
	if len(doc.Site) > 0 {
		p.take("site", doc.Site, p.site)
	}
	again := p.each("group", doc.Groups, 1, p.group)
	later := p.each("account", doc.Accounts, applyAtOnce, p.account)
	for _, raw := range later {
		p.take("account", raw, p.account)
	}
	for _, raw := range again {
		p.take("group", raw, p.group)
	}
}

// each applies records and returns those that are to be tried again.
func (p *applier) each(kind string, list []json.RawMessage, atOnce int, do func(json.RawMessage) (AppliedChange, error)) (again []json.RawMessage) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	failed := make([]bool, len(list))
	for i, raw := range list {
		g.Go(func() error {
			c, err := do(raw)
			if failed[i] = err != nil; !failed[i] {
				p.note(kind, c)
			}
			return nil
		})
	}
	_ = g.Wait() // each tells for itself
	for i, raw := range list {
		if failed[i] {
			again = append(again, raw)
		}
	}
	return again
}

// take applies a record and notes what became of it.
func (p *applier) take(kind string, raw json.RawMessage, do func(json.RawMessage) (AppliedChange, error)) {
	c, err := do(raw)
	if err == nil {
		p.note(kind, c)
		return
	}
	p.Refused = append(p.Refused, AppliedRefusal{Kind: kind, Name: nameIn(raw), Why: p.why(err)})
}

func (p *applier) note(kind string, c AppliedChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Action == "" {
		p.Same++
		return
	}
	c.Kind = kind
	delete(c.Before, secretMark)
	delete(c.After, secretMark)
	p.Changes = append(p.Changes, c)
}

// why is an error as a problem document would tell it, in one line.
func (p *applier) why(err error) string {
	known, ok := errors.AsType[*huma.ErrorModel](p.api.problem(err))
	if !ok {
		return p.api.problem(err).Error()
	}
	why := known.Detail
	for _, e := range known.Errors {
		why += ": " + strings.TrimPrefix(e.Location, "body.") + ": " + e.Message
	}
	return why
}

func nameIn(raw json.RawMessage) string {
	var named struct{ Username, Name string }
	_ = json.Unmarshal(raw, &named)
	return named.Username + named.Name
}

func (p *applier) site(raw json.RawMessage) (AppliedChange, error) {
	c := AppliedChange{}
	present, err := p.api.Accounts.Site(p.ctx)
	if err != nil {
		return c, err
	}
	merged, err := merge(present.Site, policy.DefaultSite(), raw)
	if err != nil {
		return c, err
	}
	if c.Before, c.After = difference(asMap(present.Site), asMap(merged)); len(c.Before)+len(c.After) == 0 {
		return c, nil
	}
	c.Action = "change"
	if p.dry {
		return c, nil
	}
	_, err = p.api.Accounts.UpdateSite(p.ctx, 0, func(s *accounts.Site) error {
		if s.Site, err = merge(s.Site, policy.DefaultSite(), raw); err != nil {
			return err
		}
		return p.api.siteConfirmed(p.ctx, s.Site, p.confirm)
	}, callerOf(p.ctx).option())
	if err != nil {
		return c, err
	}
	return c, p.api.record(p.ctx, "site.change", "", c.Before, c.After)
}

// digestOf tells values apart.
func digestOf(values ...any) string {
	text, _ := json.Marshal(values)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// pick takes the named fields out of a record's text; rest is the others, a
// merge patch of its settings.
func pick(raw json.RawMessage, into any, names ...string) (rest []byte, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil || all == nil {
		return nil, invalid("body", "is no record")
	}
	some := map[string]json.RawMessage{}
	for _, name := range names {
		if v, ok := all[name]; ok {
			some[name] = v
			delete(all, name)
		}
	}
	text, err := json.Marshal(some)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return nil, invalid(fieldOf(err), "has the wrong type, or a field that is not known: "+err.Error())
	}
	return json.Marshal(all)
}
