package record

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/storage/traffic"
)

// UsageView is what an account's home holds, and what the account has moved.
type UsageView struct {
	QuotaView
	Day   *PeriodView `json:"day" doc:"what was moved today, both directions together; null where that is unlimited"`
	Month *PeriodView `json:"month" doc:"what was moved this month; null where that is unlimited"`
}

// TransformSchema lets what is unlimited be null.
func (UsageView) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, name := range []string{"day", "month"} {
		period := s.Properties[name]
		s.Properties[name] = &huma.Schema{
			OneOf:       []*huma.Schema{{Ref: period.Ref}, {Type: "null"}},
			Description: period.Description,
		}
	}
	return s
}

// PeriodView is what was moved in a day or month, and may be.
type PeriodView struct {
	LimitBytes int64     `json:"limit_bytes"`
	UsedBytes  int64     `json:"used_bytes" doc:"with what other nodes have set aside for it"`
	Until      time.Time `json:"until" doc:"when it begins anew"`
}

// ViewUsage shows what an account has moved.
func ViewUsage(home QuotaView, u traffic.Use) UsageView {
	return UsageView{QuotaView: home, Day: viewPeriod(u.Day), Month: viewPeriod(u.Month)}
}

func viewPeriod(p *traffic.Period) *PeriodView {
	if p == nil {
		return nil
	}
	return &PeriodView{LimitBytes: p.Limit, UsedBytes: p.Used, Until: p.Until}
}
