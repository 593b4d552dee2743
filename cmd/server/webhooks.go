package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"gatehouse/admin"
	"gatehouse/admin/webhooks"
	"gatehouse/admin/webhooks/sender"
	"gatehouse/configs"
	"gatehouse/policy"
)

// openWebhooks begins to send events to who is to hear of them.
func (c *core) openWebhooks(conf *configs.Loaded, node string, log *slog.Logger) error {
	allow, roots, err := webhookReach(conf.Webhooks)
	if err != nil {
		return err
	}
	c.webhooks = webhooks.New(webhooks.Config{
		State: c.state, Sealer: c.sealer, Events: c.events, Sender: sender.New(allow, roots), Log: log, Node: node,
		Tried: c.metrics.Webhook,
	})
	c.metrics.Webhooks(c.webhooks.Behind)
	return nil
}

// webhookReach reads which private networks webhooks may lead to, and the
// authorities that vouch for what answers.
func webhookReach(w configs.Webhooks) ([]netip.Prefix, *x509.CertPool, error) {
	allow, err := policy.ParsePrefixes(w.Allow)
	if err != nil {
		return nil, nil, fmt.Errorf("webhooks.allow: %w", err)
	}
	if w.CA == "" {
		return allow, nil, nil
	}
	text, err := os.ReadFile(w.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("webhooks.ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, nil, fmt.Errorf("webhooks.ca: read the system's authorities: %w", err)
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, nil, errors.New("webhooks.ca: there is no certificate in " + w.CA)
	}
	return allow, roots, nil
}

// failingLong is how long a webhook may fail before doctor speaks of it.
const failingLong = time.Hour

// checkWebhooks tells which webhooks do not deliver.
func (g *gateway) checkWebhooks(ctx context.Context) []admin.Finding {
	all, err := g.webhooks.List(ctx)
	if err != nil {
		return []admin.Finding{finding("webhooks", levelProblem, "they cannot be read: "+err.Error(), "check that the store answers")}
	}
	var found []admin.Finding
	for _, w := range all {
		name := "webhook " + w.ID
		status, err := g.webhooks.Status(ctx, w.ID)
		switch {
		case err != nil:
			found = append(found, finding(name, levelProblem, "how it fares cannot be read: "+err.Error(), ""))
		case w.Disabled && w.Why != "":
			found = append(found, finding(name, levelWarning, "it was disabled: "+w.Why, "remove it, or correct its address and enable it"))
		case w.Disabled:
		case !status.Failing.IsZero() && time.Since(status.Failing) > failingLong:
			found = append(found, finding(name, levelWarning, fmt.Sprintf("it delivers nothing since %s: %s; %d events wait", status.Failing.Format(time.RFC3339), status.Last, status.Behind), "look at the other side; gatehouse webhook test "+w.ID))
		case status.Dead > 0:
			found = append(found, finding(name, levelWarning, fmt.Sprintf("%d messages were refused to the last", status.Dead), "gatehouse webhook dead "+w.ID))
		}
	}
	if len(all) > 0 && len(found) == 0 {
		found = append(found, finding("webhooks", levelOK, fmt.Sprintf("%d, none of them failing", len(all)), ""))
	}
	return found
}
