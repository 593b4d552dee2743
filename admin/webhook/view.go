package webhook

import (
	"context"
	"net/url"
	"time"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/webhooks"
	"gatehouse/storage/events"
)

// An EventFilter says which events a webhook hears of; what is empty lets all pass.
type EventFilter struct {
	Kinds    []events.Kind `json:"kinds,omitempty" doc:"kinds of GET /event-kinds, each with those below it"`
	Accounts []string      `json:"accounts,omitempty" doc:"usernames"`
	Path     string        `json:"path,omitempty" doc:"this tree path and all below it, as the source or the target"`
	Outcomes []string      `json:"outcomes,omitempty" doc:"ok, refused, failed, cut, aborted"`
}

// WebhookSettings are what an administrator sets of a webhook.
type WebhookSettings struct {
	URL         string      `json:"url" doc:"https only"`
	Description string      `json:"description,omitempty"`
	Filter      EventFilter `json:"filter" required:"false" doc:"what is empty lets all pass"`
	Disabled    bool        `json:"disabled,omitempty" doc:"nothing is sent; enabled again it goes on where it was"`
}

func settingsOf(w webhooks.Webhook) WebhookSettings {
	return WebhookSettings{w.URL, w.Description, EventFilter(w.Filter), w.Disabled}
}

// write puts settings into a webhook.
func (s WebhookSettings) write(w *webhooks.Webhook) error {
	if s.Filter.Path != "" {
		p, err := record.ParsePath("filter.path", s.Filter.Path)
		if err != nil {
			return err
		}
		s.Filter.Path = p.String()
	}
	if w.Disabled != s.Disabled {
		w.Why = ""
	}
	w.URL, w.Description, w.Filter, w.Disabled = s.URL, s.Description, webhooks.Filter(s.Filter), s.Disabled
	return nil
}

// A WebhookStatus is how a webhook fares.
type WebhookStatus struct {
	Cursor   uint64    `json:"cursor" doc:"the position of the last event that is dealt with"`
	Behind   uint64    `json:"behind" doc:"events after it"`
	Failing  time.Time `json:"failing_since,omitzero" doc:"absent: the last message was taken"`
	Next     time.Time `json:"next_try,omitzero" doc:"where the messages wait for the other side"`
	Last     string    `json:"last,omitempty" doc:"how the last try ended"`
	LastTime time.Time `json:"last_time,omitzero"`
	Waiting  int       `json:"waiting" doc:"refused messages that are tried again"`
	Dead     int       `json:"dead" doc:"refused messages that were given up"`
}

// WebhookView is a webhook, without its secret.
type WebhookView struct {
	ID string `json:"id"`
	WebhookSettings
	Because string         `json:"disabled_because,omitempty" doc:"where the gateway disabled it"`
	By      string         `json:"by,omitempty" doc:"who made it"`
	Created time.Time      `json:"created"`
	Older   time.Time      `json:"older_secret_until,omitzero" doc:"until then the secret before signs, too"`
	Status  *WebhookStatus `json:"status,omitempty"`
	// Warnings are in answers to changes.
	Warnings []string `json:"warnings,omitempty" doc:"in answers to changes: what may not be meant"`
}

// MadeWebhook is a webhook with its secret, which is shown this once.
type MadeWebhook struct {
	WebhookView
	Secret string `json:"secret" doc:"signs the messages; shown this once"`
}

func viewOf(w webhooks.Webhook) WebhookView {
	v := WebhookView{ID: w.ID, WebhookSettings: settingsOf(w), Because: w.Why, By: w.By, Created: w.Created}
	if len(w.Secrets) > 1 && time.Now().Before(w.Secrets[1].Expires) {
		v.Older = w.Secrets[1].Expires
	}
	return v
}

// told is a webhook for who must not know what its address may hold as a secret
// of the other side's: auditors, and the trail.
func (v WebhookView) told() WebhookView {
	if u, err := url.Parse(v.URL); err == nil && u.RawQuery != "" {
		u.RawQuery = "..."
		v.URL = u.String()
	}
	return v
}

// mapped is a webhook as events have it.
func mapped(w webhooks.Webhook) map[string]any { return rest.Map(viewOf(w).told()) }

// view shows a webhook to the caller, with how it fares.
func (a *API) view(ctx context.Context, w webhooks.Webhook) (WebhookView, error) {
	v := viewOf(w)
	if !rest.CallerOf(ctx).Administers() {
		v = v.told()
	}
	fares, err := a.service.Status(ctx, w.ID)
	status := WebhookStatus(fares)
	v.Status = &status
	return v, err
}

// warnings tell what of a filter may not be meant.
func (a *API) warnings(ctx context.Context, w webhooks.Webhook) []string {
	var list []string
	for _, name := range w.Filter.Accounts {
		if _, err := a.Accounts.Account(ctx, name); err != nil {
			list = append(list, "there is no account "+name+" now")
		}
	}
	return list
}
