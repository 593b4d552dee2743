package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

func (a *API) registerStorage(api huma.API) {
	huma.Register(api, operation("list-locks", http.MethodGet, "/locks", "List locks", rightRead), a.listLocks)
	huma.Register(api, operation("break-lock", http.MethodDelete, "/locks/{token}", "Break a lock", rightAdmin), a.breakLock)
	huma.Register(api, operation("list-quotas", http.MethodGet, "/quotas", "List quotas and their use", rightRead), a.listQuotas)
	huma.Register(api, operation("get-quota", http.MethodGet, "/quotas/at", "Show the quota of a folder", rightRead), a.getQuota)
	huma.Register(api, operation("set-quota", http.MethodPut, "/quotas", "Set the quota of a folder", rightAdmin), a.setQuota)
	huma.Register(api, operation("rescan-quota", http.MethodPost, "/quotas/rescan", "Count a folder anew", rightAdmin), a.rescanQuota)
	huma.Register(api, operation("account-usage", http.MethodGet, "/accounts/{name}/usage", "Use of the account's home", rightRead), a.accountUsage)
}

func (a *API) listLocks(ctx context.Context, _ *nothing) (*bodyOf[[]locks.Lock], error) {
	list, err := a.Locks.List(ctx, path.Root)
	if err != nil {
		return nil, a.problem(err)
	}
	if list == nil {
		list = []locks.Lock{}
	}
	return &bodyOf[[]locks.Lock]{list}, nil
}

type tokenInput struct {
	Token string `path:"token"`
}

func (a *API) breakLock(ctx context.Context, in *tokenInput) (*nothing, error) {
	l, err := a.Locks.Break(ctx, in.Token)
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "lock.break", l.Account, map[string]any{"path": l.Path.String(), "token": l.Token}, nil))
}

// QuotaView is a quota and what is used of it; null is unlimited.
type QuotaView struct {
	Path       string `json:"path"`
	LimitBytes *int64 `json:"limit_bytes"`
	UsedBytes  int64  `json:"used_bytes"`
	LimitFiles *int64 `json:"limit_files"`
	UsedFiles  int64  `json:"used_files"`
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
	for _, u := range list {
		views = append(views, quotaView(u))
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

func (a *API) setQuota(ctx context.Context, in *quotaInput) (*bodyOf[QuotaView], error) {
	p, err := parsePath("path", in.Body.Path)
	if err != nil {
		return nil, a.problem(err)
	}
	limit := quota.Limit{Folder: p, Amount: quota.Amount{Bytes: orUnlimited(in.Body.LimitBytes), Files: orUnlimited(in.Body.LimitFiles)}}
	before, had, err := a.Quotas.Get(ctx, p)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.Quotas.Set(ctx, limit); err != nil {
		return nil, a.problem(err)
	}
	var was map[string]any
	if v := quotaView(before); had {
		was = asMap(QuotaSettings{v.LimitBytes, v.LimitFiles})
	}
	if err := a.record(ctx, "quota.set", "", was, asMap(in.Body)); err != nil {
		return nil, a.problem(err)
	}
	return a.quotaAt(ctx, p)
}

func orUnlimited(n *int64) int64 {
	if n == nil {
		return -1
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
		u.Limit = quota.Limit{Folder: p, Amount: quota.Amount{Bytes: -1, Files: -1}}
	}
	return &bodyOf[QuotaView]{quotaView(u)}, nil
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
		return nil, a.problem(&accounts.InvalidError{Field: "path", Why: "has no quota"})
	}
	u, err := a.Quotas.Rescan(ctx, p)
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[QuotaView]{quotaView(u)}, nil
}

func (a *API) accountUsage(ctx context.Context, in *NameInput) (*bodyOf[QuotaView], error) {
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.quotaAt(ctx, x.Home)
}
