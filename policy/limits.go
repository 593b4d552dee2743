package policy

// A LimitOrigin is one limit that holds, 0 for unlimited, and where it is set.
type LimitOrigin struct {
	Name   string `json:"name"` // as in the JSON of Limits
	Value  int64  `json:"value"`
	Origin string `json:"origin"`
}

// Limits returns the limits that hold, resolved.
func (e Effective) Limits() Limits { return e.get().limits }

// LimitOrigins returns the limits that hold, each with where it is set.
func (e Effective) LimitOrigins() []LimitOrigin {
	r := e.get()
	return resolveLimits(r.site, r.defaults, r.account)
}

// limitFields names the fields of Limits, in their order.
var limitFields = []struct {
	name string
	get  func(Limits) int64
	set  func(*Limits, int64)
}{
	{"sessions", func(l Limits) int64 { return int64(l.Sessions) }, func(l *Limits, v int64) { l.Sessions = int(v) }},
	{"upload_rate", func(l Limits) int64 { return l.UploadRate }, func(l *Limits, v int64) { l.UploadRate = v }},
	{"download_rate", func(l Limits) int64 { return l.DownloadRate }, func(l *Limits, v int64) { l.DownloadRate = v }},
	{"largest_upload", func(l Limits) int64 { return l.LargestUpload }, func(l *Limits, v int64) { l.LargestUpload = v }},
	{"bytes_per_day", func(l Limits) int64 { return l.BytesPerDay }, func(l *Limits, v int64) { l.BytesPerDay = v }},
	{"bytes_per_month", func(l Limits) int64 { return l.BytesPerMonth }, func(l *Limits, v int64) { l.BytesPerMonth = v }},
	{"ops_per_second", func(l Limits) int64 { return int64(l.OpsPerSecond) }, func(l *Limits, v int64) { l.OpsPerSecond = int(v) }},
	{"sessions_per_address", func(l Limits) int64 { return int64(l.AddressSession) }, func(l *Limits, v int64) { l.AddressSession = int(v) }},
}

func resolveLimits(site Site, groups []Group, own Account) []LimitOrigin {
	limits := make([]LimitOrigin, 0, len(limitFields))
	for _, f := range limitFields {
		value, origin := resolveFigure(f.get(own.Limits), f.get(site.Limits), len(groups), func(i int) (int64, string) {
			return f.get(groups[i].Limits), groupOrigin(groups[i])
		})
		limits = append(limits, LimitOrigin{f.name, value, origin})
	}
	return limits
}

func limitsOf(origins []LimitOrigin) Limits {
	var l Limits
	for i, f := range limitFields {
		f.set(&l, origins[i].Value)
	}
	return l
}

// resolveFigure takes the account's own figure, else the most generous of the
// groups', else the site's; 0 says nothing and negative is unlimited.
func resolveFigure(own, site int64, groups int, group func(int) (int64, string)) (int64, string) {
	if own != 0 {
		return max(own, 0), OriginAccount
	}
	var best int64
	var origin string
	for i := range groups {
		v, from := group(i)
		if v < 0 {
			return 0, from
		}
		if v > best {
			best, origin = v, from
		}
	}
	if best > 0 {
		return best, origin
	}
	if site != 0 {
		return max(site, 0), OriginSite
	}
	return 0, OriginDefault
}

// A QuotaOrigin is the quota that holds on the account's home, nil for
// unlimited, and where each figure is set.
type QuotaOrigin struct {
	Quota
	BytesOrigin string `json:"bytes_origin"`
	FilesOrigin string `json:"files_origin"`
}

// HomeQuota returns the quota on the account's home, resolved: nil figures are
// unlimited.
func (e Effective) HomeQuota() Quota { return e.HomeQuotaOrigin().Quota }

// HomeQuotaOrigin is HomeQuota with where each figure is set.
func (e Effective) HomeQuotaOrigin() QuotaOrigin {
	r := e.get()
	var q QuotaOrigin
	q.Bytes, q.BytesOrigin = r.quotaFigure(func(q Quota) *int64 { return q.Bytes })
	q.Files, q.FilesOrigin = r.quotaFigure(func(q Quota) *int64 { return q.Files })
	return q
}

func (r *resolved) quotaFigure(of func(Quota) *int64) (*int64, string) {
	if own := of(r.account.Quota); own != nil {
		return bounded(*own), OriginAccount
	}
	var best *int64
	origin := OriginDefault
	for _, g := range r.defaults {
		v := of(g.Quota)
		if v == nil {
			continue
		}
		if *v < 0 {
			return nil, groupOrigin(g)
		}
		if best == nil || *v > *best {
			best, origin = bounded(*v), groupOrigin(g)
		}
	}
	return best, origin
}

// bounded returns a figure of its own, nil where it is unlimited.
func bounded(v int64) *int64 {
	if v < 0 {
		return nil
	}
	return &v
}
