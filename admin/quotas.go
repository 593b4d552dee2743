package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/quota"
)

func (a *API) registerQuotas(api huma.API) {
	huma.Register(api, operation("list-quotas", http.MethodGet, "/quotas", "List quotas and their use", rightRead), a.listQuotas)
	huma.Register(api, operation("get-quota", http.MethodGet, "/quotas/at", "Show the quota of a folder", rightRead), a.getQuota)
	huma.Register(api, operation("set-quota", http.MethodPut, "/quotas", "Set the quota of a folder", rightAdmin), a.setQuota)
	huma.Register(api, operation("rescan-quota", http.MethodPost, "/quotas/rescan", "Count a folder anew", rightAdmin), a.rescanQuota)
	huma.Register(api, operation("account-usage", http.MethodGet, "/accounts/{name}/usage", "Use of the account's home", rightLook), a.accountUsage)
	huma.Register(api, operation("rescan-usage", http.MethodPost, "/accounts/{name}/usage/rescan", "Count the account's home anew", rightManage), a.rescanUsage)
}

// QuotaView is a quota and what is used of it; null is unlimited.
type QuotaView struct {
	Path       string `json:"path"`
	LimitBytes *int64 `json:"limit_bytes"`
	UsedBytes  int64  `json:"used_bytes"`
	LimitFiles *int64 `json:"limit_files"`
	UsedFiles  int64  `json:"used_files"`
	Owner      string `json:"owner,omitempty" doc:"account NAME or group NAME, whose own setting it is"`
	Counting   bool   `json:"counting,omitempty" doc:"not enforced yet: what the folder holds is still being counted"`
}

func quotaView(u quota.Usage) QuotaView {
	v := QuotaView{Path: u.Folder.String(), UsedBytes: u.Used.Bytes, UsedFiles: u.Used.Files, Counting: u.Counting}
	if u.Bytes >= 0 {
		v.LimitBytes = &u.Bytes
	}
	if u.Files >= 0 {
		v.LimitFiles = &u.Files
	}
	return v
}

func (a *API) listQuotas(ctx context.Context, _ *nothing) (*bodyOf[[]QuotaView], error) {
	list, err := a.Quotas.List(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	views := make([]QuotaView, 0, len(list))
	d := a.directory(ctx)
	for _, u := range list {
		v := quotaView(u)
		v.Owner = d.ownerName(u.Owner)
		views = append(views, v)
	}
	return &bodyOf[[]QuotaView]{views}, nil
}

type quotaAtInput struct {
	Path string `query:"path" required:"true"`
}

func (a *API) getQuota(ctx context.Context, in *quotaAtInput) (*bodyOf[QuotaView], error) {
	p, err := parsePath("path", in.Path)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.quotaAt(ctx, p)
}

type quotaInput struct {
	Body struct {
		Path string `json:"path" minLength:"1" maxLength:"4096"`
		QuotaSettings
	}
}

// setQuota writes through to the account whose home the folder is, or the group
// whose own it is: the quota there is a setting of theirs, and a second truth
// would be undone at the next start.
func (a *API) setQuota(ctx context.Context, in *quotaInput) (*bodyOf[QuotaView], error) {
	p, err := parsePath("path", in.Body.Path)
	if err != nil {
		return nil, a.problem(err)
	}
	put, err := a.quotaSetter(ctx, p)
	if err != nil {
		return nil, a.problem(err)
	}
	before, had, err := a.Quotas.Get(ctx, p)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "quota.set", ""); err != nil {
		return nil, err
	}
	if err := put(in.Body.QuotaSettings); err != nil {
		return nil, a.problem(err)
	}
	was := map[string]any{"path": p.String()}
	if v := quotaView(before); had {
		was = asMap(quotaChange{v.Path, QuotaSettings{v.LimitBytes, v.LimitFiles}})
	}
	if err := a.record(ctx, "quota.set", "", was, asMap(quotaChange{p.String(), in.Body.QuotaSettings})); err != nil {
		return nil, a.problem(err)
	}
	return a.quotaAt(ctx, p)
}

type quotaChange struct {
	Path string `json:"path"`
	QuotaSettings
}

// quotaSetter returns what sets the quota of a folder, where its truth is.
func (a *API) quotaSetter(ctx context.Context, p path.Path) (func(QuotaSettings) error, error) {
	owners, _, err := a.Accounts.List(ctx, accounts.Query{Limit: 2, Where: func(x *accounts.Account) bool { return x.Home == p }})
	if err != nil {
		return nil, err
	}
	if len(owners) > 1 {
		return nil, invalid("path", "is the home of "+owners[0].Name+" and of "+owners[1].Name+": set the quota of one of them")
	}
	if len(owners) == 1 {
		return func(q QuotaSettings) error { return a.setHomeQuota(ctx, owners[0].Name, q) }, nil
	}
	groups, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Folder != nil && *g.Folder == p {
			return func(q QuotaSettings) error { return a.setFolderQuota(ctx, g.Name, q) }, nil
		}
	}
	return func(q QuotaSettings) error {
		return a.Quotas.Set(ctx, quota.Limit{Folder: p, Amount: quota.Amount{Bytes: orUnlimited(q.LimitBytes), Files: orUnlimited(q.LimitFiles)}})
	}, nil
}

func (a *API) setHomeQuota(ctx context.Context, account string, q QuotaSettings) error {
	_, err := a.Sessions.ChangeAccount(ctx, account, 0, func(x *accounts.Account) error {
		x.Quota = policy.Quota{Bytes: q.LimitBytes, Files: q.LimitFiles}
		return nil
	}, callerOf(ctx).option())
	return err
}

// setFolderQuota sets the ledger at once, too, so that the answer is true.
func (a *API) setFolderQuota(ctx context.Context, group string, q QuotaSettings) error {
	g, err := a.Accounts.UpdateGroup(ctx, group, 0, func(g *accounts.Group) error {
		g.FolderQuota = policy.Quota{Bytes: q.LimitBytes, Files: q.LimitFiles}
		return nil
	}, callerOf(ctx).option())
	if err != nil || g.Folder == nil {
		return err
	}
	return a.Quotas.Set(ctx, quota.Limit{
		Folder: *g.Folder, Owner: groupQuota + g.ID,
		Amount: quota.Amount{Bytes: orUnlimited(q.LimitBytes), Files: orUnlimited(q.LimitFiles)},
	})
}

// The owners of quotas that are settings of theirs, before the id.
const (
	accountQuota = "account/"
	groupQuota   = "group/"
)

// ownerName names the owner of a quota, "" where it was set by hand.
func (d *directory) ownerName(owner string) string {
	if id, ok := strings.CutPrefix(owner, accountQuota); ok {
		return "account " + d.accountName(id)
	}
	if id, ok := strings.CutPrefix(owner, groupQuota); ok {
		return "group " + d.groupName(id)
	}
	return ""
}

func orUnlimited(n *int64) int64 {
	if n == nil {
		return quota.Unlimited
	}
	return *n
}

func (a *API) quotaAt(ctx context.Context, p path.Path) (*bodyOf[QuotaView], error) {
	u, ok, err := a.Quotas.Get(ctx, p)
	if err != nil {
		return nil, a.problem(err)
	}
	if !ok {
		if u.Used, err = a.Quotas.Measure(ctx, p); err != nil {
			return nil, a.problem(err)
		}
		u.Limit = quota.Limit{Folder: p, Amount: quota.Amount{Bytes: quota.Unlimited, Files: quota.Unlimited}}
	}
	v := quotaView(u)
	v.Owner = a.directory(ctx).ownerName(u.Owner)
	return &bodyOf[QuotaView]{v}, nil
}

type pathInput struct {
	Body struct {
		Path string `json:"path" minLength:"1" maxLength:"4096"`
	}
}

func (a *API) rescanQuota(ctx context.Context, in *pathInput) (*bodyOf[QuotaView], error) {
	p, err := parsePath("path", in.Body.Path)
	if err != nil {
		return nil, a.problem(err)
	}
	_, ok, err := a.Quotas.Get(ctx, p)
	if err != nil {
		return nil, a.problem(err)
	}
	if !ok {
		return nil, a.problem(invalid("path", "has no quota"))
	}
	u, err := a.rescan(ctx, p, "")
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[QuotaView]{quotaView(u)}, nil
}

// rescan counts a folder anew, and records what was found wrong.
func (a *API) rescan(ctx context.Context, p path.Path, account string) (quota.Usage, error) {
	before, _, err := a.Quotas.Get(ctx, p)
	if err != nil {
		return quota.Usage{}, err
	}
	if err := a.intend(ctx, "quota.rescan", account); err != nil {
		return quota.Usage{}, err
	}
	u, err := a.Quotas.Rescan(ctx, p)
	if err != nil {
		return quota.Usage{}, err
	}
	was, is := difference(asMap(quotaView(before)), asMap(quotaView(u)))
	is["path"] = p.String()
	return u, a.record(ctx, "quota.rescan", account, was, is)
}

func (a *API) accountUsage(ctx context.Context, in *NameInput) (*bodyOf[QuotaView], error) {
	x, err := a.looked(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.quotaAt(ctx, x.Home)
}

func (a *API) rescanUsage(ctx context.Context, in *NameInput) (*bodyOf[QuotaView], error) {
	x, err := a.managed(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	_, ok, err := a.Quotas.Get(ctx, x.Home)
	if err != nil {
		return nil, a.problem(err)
	}
	if ok {
		if _, err := a.rescan(ctx, x.Home, x.Name); err != nil {
			return nil, a.problem(err)
		}
	}
	return a.quotaAt(ctx, x.Home) // without a quota every look counts anew
}
