package document

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"gatehouse/storage/accounts"
)

// What becomes of who an account of a document is, where it is there already.
const (
	existingReplace = "replace"
	existingKeep    = "keep"
)

// whoItIs are the fields that say with what an account comes in, and what it is
// to others: a file of another program's users must not hand somebody's account,
// an administrator's too, to whoever has that name there.
var whoItIs = []string{
	"role", "manage_users", "manage_guests", "manage_personal_groups", "managed_by", "disabled", "disabled_why", "email", "recovery_email",
	"keys", "password", "must_change", "password_max_age_days", "totp", "app_passwords", "tokens", "clients",
	"second_factor", "second_factor_with_key",
}

// withhold takes out of what the document says of an account that is there what
// would change who it is, and notes what that was.
func (w *accountWriter) withhold(before accounts.Account) error {
	after := before
	if err := w.write(&after); err != nil {
		return err
	}
	was, is := differ(w.api.documentAccount(before, w.zone, w.directory), w.api.documentAccount(after, w.zone, w.directory))
	maps.Copy(was, is)
	var left []string
	for _, name := range whoItIs {
		if _, differs := was[name]; differs {
			left = append(left, name)
		}
	}
	w.fields.Secrets, w.fields.Keys, w.fields.Disabled, w.notes = nil, nil, nil, nil
	if len(left) > 0 {
		w.kept = "the account is there already, and keeps its own: " + strings.Join(left, ", ")
	}
	var patch map[string]json.RawMessage
	if err := json.Unmarshal(w.patch, &patch); err != nil {
		return err
	}
	maps.DeleteFunc(patch, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(whoItIs, func(field string) bool { return strings.EqualFold(field, name) })
	})
	var err error
	w.patch, err = json.Marshal(patch)
	return err
}
