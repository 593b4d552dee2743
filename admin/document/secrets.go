package document

import (
	"crypto/rand"
	"slices"
	"time"

	"gatehouse/admin/rest"
	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// describe is an account of a document as events and differences show it: which
// secrets there are, not what they are.
func (v DocumentAccount) describe() map[string]any {
	m := rest.Map(v.withoutSecrets())
	delete(m, "username")
	for name, s := range v.secrets() {
		m[name] = s.shown
	}
	if v.Secrets != nil && v.Secrets.Password != nil && v.Secrets.Password.MustChange {
		m["must_change"] = true
	}
	return m
}

// A secret is a field of an account that is not shown: what is told of it, and
// what tells it from another.
type secret struct {
	shown   any
	digest  string
	members map[string]string // of a list: digests by name
}

// secrets are those that an account has, by field.
func (v DocumentAccount) secrets() map[string]secret {
	fields := map[string]secret{}
	if v.Secrets == nil {
		return fields
	}
	if p := v.Secrets.Password; p != nil {
		fields["password"] = secret{shown: "set (" + auth.HashName(p.Hash) + ")", digest: rest.Digest(p.Hash)}
	}
	if f := v.Secrets.TOTP; f != nil {
		fields["totp"] = secret{shown: "set", digest: rest.Digest(f)}
	}
	for kind, field := range credentialFields {
		s := secret{members: map[string]string{}}
		names := []string{}
		for _, c := range v.Secrets.Credentials {
			if c.Kind == kind {
				names = append(names, c.Name)
				s.members[c.Name] = rest.Digest(s.members[c.Name], c)
			}
		}
		if s.shown, s.digest = names, rest.Digest(s.members); len(names) > 0 {
			fields[field] = s
		}
	}
	return fields
}

var credentialFields = map[policy.CredentialKind]string{
	policy.KindAppPassword: "app_passwords", policy.KindToken: "tokens", policy.KindClient: "clients",
}

// differ leaves of two states of an account what differs. A secret that is another
// one is told as replaced.
func differ(before, after DocumentAccount) (was, is map[string]any) {
	was, is = rest.Difference(before.describe(), after.describe())
	had, has := before.secrets(), after.secrets()
	for name, now := range has {
		old, there := had[name]
		if !there || old.digest == now.digest {
			continue
		}
		was[name], is[name] = old.shown, now.replaced(old)
	}
	return was, is
}

// replaced tells of a secret that stands in the place of another.
func (s secret) replaced(old secret) any {
	if s.members == nil {
		text, _ := s.shown.(string)
		return "replaced" + text[len("set"):]
	}
	names, _ := s.shown.([]string)
	names = slices.Clone(names)
	for i, name := range names {
		if digest, there := old.members[name]; there && digest != s.members[name] {
			names[i] = name + " (replaced)"
		}
	}
	return names
}

// writeSecrets sets what the document brings; what it does not bring stays.
func (w *accountWriter) writeSecrets(x *accounts.Account) error {
	s := w.fields.Secrets
	if s == nil {
		return nil
	}
	if s.Password != nil {
		if err := writePassword(x, *s.Password); err != nil {
			return err
		}
	}
	if s.Credentials != nil {
		x.Credentials = s.Credentials
	}
	if s.TOTPSecret == "" {
		w.writeFactor(x, s.TOTP)
		return nil
	}
	brought, err := w.api.Auth.BringFactor(*x, s.TOTPSecret)
	if err != nil {
		return err
	}
	x.TOTP = brought
	return nil
}

func writePassword(x *accounts.Account, p DocumentPassword) error {
	if x.Password != nil && x.Password.Hash == p.Hash && x.Password.MustChange == p.MustChange {
		return nil
	}
	if err := auth.KnownHash(p.Hash); err != nil {
		return rest.Invalid("secrets.password.hash", err.Error())
	}
	if p.Changed.IsZero() {
		p.Changed = time.Now().UTC().Truncate(time.Second)
	}
	x.Password = &accounts.Password{ID: rand.Text(), Hash: p.Hash, Changed: p.Changed, MustChange: p.MustChange}
	return nil
}

// writeFactor sets the second factor. One that was sealed elsewhere cannot be
// read here: the account must enrol again before any password opens a door.
func (w *accountWriter) writeFactor(x *accounts.Account, f *accounts.TOTP) {
	if f == nil || x.TOTP != nil && x.TOTP.ID == f.ID {
		return
	}
	brought := *x
	brought.TOTP = f
	if w.api.Auth.OpensFactor(brought) {
		x.TOTP = f
		return
	}
	if x.TOTP != nil {
		return
	}
	if x.Shared {
		w.notes = append(w.notes, "its second factor cannot be read here and is left out")
		return
	}
	x.SecondFactor.Required = policy.Allow
	w.notes = append(w.notes, "its second factor cannot be read here: it must enrol again before a password opens a door")
}
