// Package usage is the API's side of quotas: what folders may hold, and what they
// do; and of traffic, what accounts have moved.
package usage

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/quota"
)

// An API answers for quotas.
type API struct {
	*rights.Judge
	quotas *quota.Ledger
	// setting is held from the look at a limit, for If-Match, until it is set.
	setting sync.Mutex
}

// New makes the API over a ledger.
func New(j *rights.Judge, ledger *quota.Ledger) *API { return &API{Judge: j, quotas: ledger} }

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("list-quotas", http.MethodGet, "/quotas", "List quotas and their use", rest.Read), a.listQuotas)
	huma.Register(api, rest.Operation("get-quota", http.MethodGet, "/quotas/at", "Show the quota of a folder", rest.Read), a.getQuota)
	huma.Register(api, rest.Operation("set-quota", http.MethodPut, "/quotas", "Set the quota of a folder", rest.Admin), a.setQuota)
	huma.Register(api, rest.Operation("rescan-quota", http.MethodPost, "/quotas/rescan", "Count a folder anew", rest.Admin), a.rescanQuota)
	huma.Register(api, rest.Operation("account-usage", http.MethodGet, "/accounts/{name}/usage", "Use of the account's home, and of what it may move", rest.Look), a.accountUsage)
	huma.Register(api, rest.Operation("rescan-usage", http.MethodPost, "/accounts/{name}/usage/rescan", "Count the account's home anew", rest.Manage), a.rescanUsage)
}

func (a *API) listQuotas(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[record.QuotaView], error) {
	list, err := a.quotas.List(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	views := make([]record.QuotaView, 0, len(list))
	d := record.NewDirectory(ctx, a.Accounts)
	for _, u := range list {
		v := record.ViewQuota(u)
		v.Owner = d.OwnerName(u.Owner)
		views = append(views, v)
	}
	path := func(v record.QuotaView) string { return v.Path }
	slices.SortFunc(views, func(x, y record.QuotaView) int { return strings.Compare(x.Path, y.Path) })
	return rest.Piece(*in, views, path), nil
}

type quotaAtInput struct {
	Path string `query:"path" required:"true"`
}

type quotaOutput struct {
	ETag string `header:"ETag"`
	Body record.QuotaView
}

func (a *API) getQuota(ctx context.Context, in *quotaAtInput) (*quotaOutput, error) {
	p, err := record.ParsePath("path", in.Path)
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.tagged(ctx, p)
}

func (a *API) tagged(ctx context.Context, p path.Path) (*quotaOutput, error) {
	v, err := a.At(ctx, p)
	if err != nil {
		return nil, err
	}
	return &quotaOutput{v.Body.ETag, v.Body}, nil
}

type quotaInput struct {
	rest.MatchInput
	Body struct {
		Path string `json:"path" minLength:"1" maxLength:"4096"`
		record.QuotaSettings
	}
}

func (a *API) setQuota(ctx context.Context, in *quotaInput) (*quotaOutput, error) {
	p, err := record.ParsePath("path", in.Body.Path)
	if err != nil {
		return nil, a.Problem(err)
	}
	a.setting.Lock()
	defer a.setting.Unlock()
	if err := rest.Matched(in.IfMatch, record.QuotaRevision(a.limit(p))); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.put(ctx, p, in.Body.QuotaSettings, seen(in.IfMatch)); err != nil {
		return nil, a.Problem(err)
	}
	out, err := a.tagged(ctx, p)
	if err == nil {
		out.Body.Warnings = a.warnings(ctx, p, in.Body.QuotaSettings)
	}
	return out, err
}

// On returns the limit on exactly this folder; ok is false where there is none.
func (a *API) On(p path.Path) (s record.QuotaSettings, ok bool) {
	l := a.limit(p)
	s = record.QuotaLimits(l.Amount)
	return s, s != record.QuotaSettings{}
}

func (a *API) limit(p path.Path) quota.Limit {
	if l, ok := a.quotas.On(p); ok {
		return l
	}
	return unlimited(p)
}

func unlimited(p path.Path) quota.Limit {
	return quota.Limit{Folder: p, Amount: quota.Amount{Bytes: quota.Unlimited, Files: quota.Unlimited}}
}

// ByHand returns the limits that are no setting of an account or a group.
func (a *API) ByHand() []quota.Limit {
	var list []quota.Limit
	for _, l := range a.quotas.Limits(path.Root) {
		if l.Owner == "" {
			list = append(list, l)
		}
	}
	return list
}

// Put sets the quota of a folder, and records it.
func (a *API) Put(ctx context.Context, p path.Path, s record.QuotaSettings) error {
	a.setting.Lock()
	defer a.setting.Unlock()
	return a.put(ctx, p, s, "")
}

// seen is the If-Match of who looked at a limit before; empty: it is changed whatever
// it is. What another node has set meanwhile is only known where it is written.
type seen string

// of refuses a limit that is another one by now.
func (s seen) of(l quota.Limit) error { return rest.Matched(string(s), record.QuotaRevision(l)) }

// at refuses the settings of an owner whose limit is another one by now. It returns the
// revision that the owner must still have, 0 for whichever.
func (s seen) at(folder path.Path, owner string, q policy.Quota, revision uint64) (uint64, error) {
	if s == "" || s == "*" {
		return 0, nil
	}
	l := unlimited(folder)
	if q.Bytes != nil || q.Files != nil {
		l.Owner, l.Amount = owner, quota.Amount{Bytes: orUnlimited(q.Bytes), Files: orUnlimited(q.Files)}
	}
	return revision, s.of(l)
}

// put writes through to the account whose home the folder is, or the group
// whose own it is: the quota there is a setting of theirs, and a second truth
// would be undone at the next start.
func (a *API) put(ctx context.Context, p path.Path, s record.QuotaSettings, was seen) error {
	set, err := a.quotaSetter(ctx, p, was)
	if err != nil {
		return err
	}
	if err := a.maySet(ctx, p, s); err != nil {
		return err
	}
	before, had := a.On(p)
	if err := a.Intend(ctx, "quota.set", ""); err != nil {
		return err
	}
	if err := set(s); err != nil {
		return err
	}
	old := map[string]any{"path": p.String()}
	if had {
		old = rest.Map(quotaChange{p.String(), before})
	}
	return a.RecordAt(ctx, "quota.set", p, "", old, rest.Map(quotaChange{p.String(), s}))
}

type quotaChange struct {
	Path string `json:"path"`
	record.QuotaSettings
}

// quotaSetter returns what sets the quota of a folder, where its truth is.
func (a *API) quotaSetter(ctx context.Context, p path.Path, was seen) (func(record.QuotaSettings) error, error) {
	owners, _, err := a.Accounts.List(ctx, accounts.Query{Limit: 2, Where: func(x *accounts.Account) bool { return x.Home == p }})
	if err != nil {
		return nil, err
	}
	if len(owners) > 1 {
		return nil, rest.Invalid("path", "is the home of "+owners[0].Name+" and of "+owners[1].Name+": set the quota of one of them")
	}
	if len(owners) == 1 {
		return func(q record.QuotaSettings) error { return a.setHomeQuota(ctx, owners[0], q, was) }, nil
	}
	groups, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Folder != nil && *g.Folder == p {
			return func(q record.QuotaSettings) error { return a.setFolderQuota(ctx, g, q, was) }, nil
		}
	}
	return func(q record.QuotaSettings) error {
		return a.quotas.SetIf(ctx, quota.Limit{Folder: p, Amount: quota.Amount{Bytes: orUnlimited(q.LimitBytes), Files: orUnlimited(q.LimitFiles)}}, was.of)
	}, nil
}

func (a *API) setHomeQuota(ctx context.Context, owner accounts.Account, q record.QuotaSettings, was seen) error {
	effective, err := a.Accounts.Effective(ctx, owner)
	if err != nil {
		return err
	}
	revision, err := was.at(owner.Home, record.AccountQuota+owner.ID, effective.HomeQuota(), owner.Revision)
	if err != nil {
		return err
	}
	_, err = a.Provision.Change(ctx, owner.Name, revision, func(x *accounts.Account) error {
		x.Quota = policy.Quota{Bytes: q.LimitBytes, Files: q.LimitFiles}
		return nil
	}, rest.CallerOf(ctx).Option())
	return err
}

// setFolderQuota sets the ledger at once, too, so that the answer is true.
func (a *API) setFolderQuota(ctx context.Context, owner accounts.Group, q record.QuotaSettings, was seen) error {
	revision, err := was.at(*owner.Folder, record.GroupQuota+owner.ID, owner.FolderQuota, owner.Revision)
	if err != nil {
		return err
	}
	g, err := a.Accounts.UpdateGroup(ctx, owner.Name, revision, func(g *accounts.Group) error {
		g.FolderQuota = policy.Quota{Bytes: q.LimitBytes, Files: q.LimitFiles}
		return nil
	}, rest.CallerOf(ctx).Option())
	if err != nil || g.Folder == nil {
		return err
	}
	return a.quotas.Set(ctx, quota.Limit{
		Folder: *g.Folder, Owner: record.GroupQuota + g.ID,
		Amount: quota.Amount{Bytes: orUnlimited(q.LimitBytes), Files: orUnlimited(q.LimitFiles)},
	})
}

func orUnlimited(n *int64) int64 {
	if n == nil {
		return quota.Unlimited
	}
	return *n
}

// At shows the quota of a folder and, where there is none, what the folder holds.
func (a *API) At(ctx context.Context, p path.Path) (*rest.Body[record.QuotaView], error) {
	u, ok, err := a.quotas.Get(ctx, p)
	if err != nil {
		return nil, a.Problem(err)
	}
	if !ok {
		if u.Used, err = a.quotas.Measure(ctx, p); err != nil {
			return nil, a.Problem(err)
		}
		u.Limit = unlimited(p)
	}
	v := record.ViewQuota(u)
	v.Owner = record.NewDirectory(ctx, a.Accounts).OwnerName(u.Owner)
	return &rest.Body[record.QuotaView]{Body: v}, nil
}

type pathInput struct {
	Body struct {
		Path string `json:"path" minLength:"1" maxLength:"4096"`
	}
}

func (a *API) rescanQuota(ctx context.Context, in *pathInput) (*rest.Body[record.QuotaView], error) {
	p, err := record.ParsePath("path", in.Body.Path)
	if err != nil {
		return nil, a.Problem(err)
	}
	_, ok, err := a.quotas.Get(ctx, p)
	if err != nil {
		return nil, a.Problem(err)
	}
	if !ok {
		return nil, a.Problem(rest.Invalid("path", "has no quota"))
	}
	u, err := a.rescan(ctx, p, "")
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[record.QuotaView]{Body: record.ViewQuota(u)}, nil
}

// rescan counts a folder anew, and records what was found wrong.
func (a *API) rescan(ctx context.Context, p path.Path, account string) (quota.Usage, error) {
	before, _, err := a.quotas.Get(ctx, p)
	if err != nil {
		return quota.Usage{}, err
	}
	if err := a.Intend(ctx, "quota.rescan", account); err != nil {
		return quota.Usage{}, err
	}
	u, err := a.quotas.Rescan(ctx, p)
	if err != nil {
		return quota.Usage{}, err
	}
	was, is := rest.Difference(rest.Map(record.ViewQuota(before)), rest.Map(record.ViewQuota(u)))
	is["path"] = p.String()
	return u, a.RecordAt(ctx, "quota.rescan", p, account, was, is)
}

func (a *API) accountUsage(ctx context.Context, in *rest.NameInput) (*rest.Body[record.UsageView], error) {
	x, err := a.Looked(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.Of(ctx, x)
}

// Of shows what an account's home holds, and what the account has moved.
func (a *API) Of(ctx context.Context, x accounts.Account) (*rest.Body[record.UsageView], error) {
	home, err := a.At(ctx, x.Home)
	if err != nil {
		return nil, err
	}
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.Problem(err)
	}
	use, err := a.Explain.Use(ctx, effective)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[record.UsageView]{Body: record.ViewUsage(home.Body, use)}, nil
}

func (a *API) rescanUsage(ctx context.Context, in *rest.NameInput) (*rest.Body[record.UsageView], error) {
	x, err := a.Managed(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	_, ok, err := a.quotas.Get(ctx, x.Home)
	if err != nil {
		return nil, a.Problem(err)
	}
	if ok {
		if _, err := a.rescan(ctx, x.Home, x.Name); err != nil {
			return nil, a.Problem(err)
		}
	}
	return a.Of(ctx, x) // without a quota every look counts anew
}
