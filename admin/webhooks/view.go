package webhooks

import (
	"context"
	"net/url"
	"time"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
)

// WebhookSettings are what an administrator sets of a webhook.
type WebhookSettings struct {
	URL         string      `json:"url" doc:"https only"`
	Description string      `json:"description,omitempty"`
	Filter      EventFilter `json:"filter" required:"false" doc:"what is empty lets all pass"`
	Disabled    bool        `json:"disabled,omitempty" doc:"nothing is sent; enabled again it goes on where it was"`
}

func settingsOf(w Webhook) WebhookSettings {
	return WebhookSettings{w.URL, w.Description, w.Filter, w.Disabled}
}

// write puts settings into a webhook.
func (s WebhookSettings) write(w *Webhook) error {
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
	w.URL, w.Description, w.Filter, w.Disabled = s.URL, s.Description, s.Filter, s.Disabled
	return nil
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

func viewOf(w Webhook) WebhookView {
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
func mapped(w Webhook) map[string]any { return rest.Map(viewOf(w).told()) }

// view shows a webhook to the caller, with how it fares.
func (a *API) view(ctx context.Context, w Webhook) (WebhookView, error) {
	v := viewOf(w)
	if !rest.CallerOf(ctx).Administers() {
		v = v.told()
	}
	status, err := a.service.Status(ctx, w.ID)
	v.Status = &status
	return v, err
}

// warnings tell what of a filter may not be meant.
func (a *API) warnings(ctx context.Context, w Webhook) []string {
	var list []string
	for _, name := range w.Filter.Accounts {
		if _, err := a.Accounts.Account(ctx, name); err != nil {
			list = append(list, "there is no account "+name+" now")
		}
	}
	return list
}
