package document

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
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

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("export", http.MethodGet, "/export", "Accounts, groups and site as a document that apply takes", rest.Admin), a.export)
	apply := rest.Operation("apply", http.MethodPost, "/apply", "Make accounts, groups and site as a document says; what it does not name stays", rest.Admin)
	apply.MaxBodyBytes = maxDocument
	apply.SkipValidateBody = true // each record is judged for itself
	huma.Register(api, apply, a.apply)
	rest.TakesJSON[Document](api, apply)
}

type applyInput struct {
	rest.ConfirmInput
	DryRun   bool   `query:"dry_run" doc:"only say what differs"`
	Existing string `query:"existing" enum:"replace,keep" default:"replace" doc:"keep: accounts, groups and quotas that are there already are left alone altogether, and new accounts join such a group only where it is in everything as the document says; what was left out is noted"`
	RawBody  []byte `contentType:"application/json"`
}

// Applied says what an apply did, or would do.
type Applied struct {
	Changes []AppliedChange  `json:"changes"`
	Refused []AppliedRefusal `json:"refused"`
	Same    int              `json:"unchanged"`
}

// AppliedChange is one record that was made or changed.
type AppliedChange struct {
	Kind   string         `json:"kind" enum:"site,group,account,quota"`
	Name   string         `json:"name,omitempty"`
	Action string         `json:"action" enum:"create,change,keep" doc:"keep: nothing was changed, and notes say what was left out"`
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
	Notes  []string       `json:"notes,omitempty"`
}

// AppliedRefusal is one record that could not be made as the document says.
type AppliedRefusal struct {
	Kind string `json:"kind" enum:"site,group,account,quota"`
	Name string `json:"name,omitempty"`
	Why  string `json:"why"`
}

// rawDocument is a document whose records are judged one by one.
type rawDocument struct {
	Version  int               `json:"gatehouse"`
	Site     json.RawMessage   `json:"site"`
	Groups   []json.RawMessage `json:"groups"`
	Accounts []json.RawMessage `json:"accounts"`
	Quotas   []json.RawMessage `json:"quotas"`
}

func (a *API) apply(ctx context.Context, in *applyInput) (*rest.Body[Applied], error) {
	doc, err := parseDocument(in.RawBody)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.mayCarrySecrets(ctx, hasSecrets(doc)); err != nil {
		return nil, err
	}
	if !in.DryRun {
		if err := a.Intend(ctx, "document.apply", ""); err != nil {
			return nil, err
		}
	}
	p := &applier{api: a, ctx: ctx, confirm: in.Confirm, dry: in.DryRun, existing: in.Existing, Applied: Applied{Changes: []AppliedChange{}, Refused: []AppliedRefusal{}}}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	p.zone = site.TimeZone
	p.run(doc)
	if !in.DryRun {
		counts := map[string]any{"changes": len(p.Changes), "refused": len(p.Refused)}
		if err := a.Record(ctx, "document.apply", "", nil, counts); err != nil {
			return nil, err
		}
	}
	return &rest.Body[Applied]{Body: p.Applied}, nil
}

func parseDocument(text []byte) (rawDocument, error) {
	var doc rawDocument
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return doc, rest.Invalid("body", "is no document: "+err.Error())
	}
	if doc.Version != DocumentVersion {
		return doc, rest.Invalid("gatehouse", "the document is of another version: this program takes 1")
	}
	if len(doc.Accounts) > mostApplied {
		return doc, rest.Invalid("accounts", "are too many for one request: send them in pieces of 1000")
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
	c := rest.CallerOf(ctx)
	if !secrets || c.Socket() {
		return nil
	}
	if status, _ := c.Stale(); status != 0 {
		return huma.NewError(status, "hashes and sealed secrets travel over the local socket alone, or for an administrator who has logged in with its password within the last ten minutes; never with a token")
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
	// existing says what becomes of records that are there already.
	existing string

	mu    sync.Mutex         // guards what follows
	joins map[string]joining // by group
	Applied
}

// run applies site, then groups, then accounts; what refers to somebody who
// comes later in the document is tried once more at the end. Quotas come last:
// their folders may be what the others make.
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
	for _, raw := range doc.Quotas {
		p.take("quota", raw, p.quota)
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
	p.Changes = append(p.Changes, c)
}

// why is an error as a problem document would tell it, in one line.
func (p *applier) why(err error) string {
	known, ok := errors.AsType[*huma.ErrorModel](p.api.Problem(err))
	if !ok {
		return p.api.Problem(err).Error()
	}
	why := known.Detail
	for _, e := range known.Errors {
		why += ": " + strings.TrimPrefix(e.Location, "body.") + ": " + e.Message
	}
	return why
}

func nameIn(raw json.RawMessage) string {
	var named struct{ Username, Name, Path string }
	_ = json.Unmarshal(raw, &named)
	return named.Username + named.Name + named.Path
}

func (p *applier) site(raw json.RawMessage) (AppliedChange, error) {
	c := AppliedChange{}
	present, err := p.api.Accounts.Site(p.ctx)
	if err != nil {
		return c, err
	}
	patch, err := record.SitePatch(raw)
	if err != nil {
		return c, err
	}
	merged, err := rest.Merge(present.Site, policy.DefaultSite(), patch)
	if err != nil {
		return c, err
	}
	if c.Before, c.After = rest.Difference(rest.Map(present.Site), rest.Map(merged)); len(c.Before)+len(c.After) == 0 {
		return c, nil
	}
	c.Action = "change"
	if err := p.api.MaySite(p.ctx, present.Site, merged); err != nil || p.dry {
		return c, err
	}
	_, err = p.api.Accounts.UpdateSite(p.ctx, 0, func(s *accounts.Site) error {
		was := s.Site
		if s.Site, err = rest.Merge(was, policy.DefaultSite(), patch); err != nil {
			return err
		}
		if err := p.api.MaySite(p.ctx, was, s.Site); err != nil {
			return err
		}
		return p.api.SiteConfirmed(p.ctx, s.Site, p.confirm)
	}, rest.CallerOf(p.ctx).Option())
	if err != nil {
		return c, err
	}
	return c, p.api.Record(p.ctx, "site.change", "", c.Before, c.After)
}

// pick takes the named fields out of a record's text; others is the rest, a
// merge patch of its settings.
func pick(raw json.RawMessage, into any, names ...string) (others []byte, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil || all == nil {
		return nil, rest.Invalid("body", "is no record")
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
		return nil, rest.Invalid(rest.FieldOf(err), "has the wrong type, or a field that is not known: "+err.Error())
	}
	return json.Marshal(all)
}
