package record

import (
	"fmt"
	"hash/fnv"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/quota"
)

// QuotaView is a quota and what is used of it; null is unlimited.
type QuotaView struct {
	Path       string `json:"path"`
	LimitBytes *int64 `json:"limit_bytes"`
	UsedBytes  int64  `json:"used_bytes"`
	LimitFiles *int64 `json:"limit_files"`
	UsedFiles  int64  `json:"used_files"`
	Owner      string `json:"owner,omitempty" doc:"account NAME or group NAME, whose own setting it is"`
	Counting   bool   `json:"counting,omitempty" doc:"not enforced yet: what the folder holds is still being counted"`
	ETag       string `json:"etag" doc:"of the limit, for If-Match; what is used does not change it"`
	// Warnings are in answers to changes.
	Warnings []string `json:"warnings,omitempty" doc:"in answers to changes: what may not be meant"`
}

// ViewQuota shows what a folder may hold, and holds.
func ViewQuota(u quota.Usage) QuotaView {
	limits := QuotaLimits(u.Amount)
	return QuotaView{
		Path: u.Folder.String(), LimitBytes: limits.LimitBytes, UsedBytes: u.Used.Bytes,
		LimitFiles: limits.LimitFiles, UsedFiles: u.Used.Files, Counting: u.Counting, ETag: rest.ETag(QuotaRevision(u.Limit)),
	}
}

// QuotaRevision tells a limit from another. The ledger numbers none.
func QuotaRevision(l quota.Limit) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00%d", l.Folder, l.Owner, max(l.Bytes, quota.Unlimited), max(l.Files, quota.Unlimited))
	return h.Sum64()
}

// QuotaLimits are the limits of an amount.
func QuotaLimits(a quota.Amount) QuotaSettings {
	var s QuotaSettings
	if a.Bytes >= 0 {
		s.LimitBytes = &a.Bytes
	}
	if a.Files >= 0 {
		s.LimitFiles = &a.Files
	}
	return s
}

// QuotaSettings is a limit; null is unlimited.
type QuotaSettings struct {
	LimitBytes *int64 `json:"limit_bytes" nullable:"true" required:"false" minimum:"0"`
	LimitFiles *int64 `json:"limit_files" nullable:"true" required:"false" minimum:"0"`
}

func quotaSettingsOf(q policy.Quota) *QuotaSettings {
	if q.Bytes == nil && q.Files == nil {
		return nil
	}
	return &QuotaSettings{q.Bytes, q.Files}
}
