package migrate

import (
	"slices"
	"strings"
	"time"

	"gatehouse/admin/document"
	"gatehouse/policy"
)

// administrator is one of those who run the old server. They are no users of it.
type administrator struct {
	Username       string   `json:"username"`
	Status         *int     `json:"status"`
	Email          string   `json:"email"`
	Description    string   `json:"description"`
	AdditionalInfo string   `json:"additional_info"`
	Password       string   `json:"password"`
	PasswordChange int64    `json:"last_password_change"` // milliseconds
	Permissions    []string `json:"permissions"`
	Role           string   `json:"role"`
	Filters        struct {
		AllowList []string `json:"allow_list"`
		TOTP      totp     `json:"totp_config"`
		Change    bool     `json:"require_password_change"`
	} `json:"filters"`
}

// everything is the permission of an administrator that gives all others.
const everything = "*"

// sees are the permissions without which nobody looks at all that an auditor sees.
var sees = []string{"view_users", "view_events", "view_status"}

// administrator makes an account of who had every right, an auditor of who could
// look at everything, and of nobody else: what is between has no counterpart, and
// an import never gives more than there was. Nobody gets a file door by it.
func (c *converter) administrator(a administrator) {
	role, ok := roleOf(a.Permissions)
	clash := slices.ContainsFunc(c.Document.Accounts, func(x document.DocumentAccount) bool { return strings.EqualFold(x.Username, a.Username) })
	switch {
	case clash:
		c.remark("account", a.Username, "is a user and an administrator: the user counts; make it an administrator by hand (account set --role)")
		return
	case a.Status != nil && *a.Status == 0:
		c.remark("account", a.Username, "is an inactive administrator, and is left out")
		return
	case a.Role != "":
		c.remark("account", a.Username, "is an administrator for the users of the role %q alone, and is left out: see manage_users and managed_by", a.Role)
		return
	case !ok:
		c.remark("account", a.Username, "is an administrator with some rights only (%s), and is left out: see manage_users and the role auditor", strings.Join(a.Permissions, ", "))
		return
	}
	x := document.DocumentAccount{Username: a.Username, AdoptHome: c.options.AdoptHomes}
	x.Role, x.Email, x.AllowedIPs = string(role), a.Email, a.Filters.AllowList
	x.Notes = strings.TrimSpace(a.Description + "\n" + a.AdditionalInfo)
	x.Protocols = &[]string{string(policy.Web), string(policy.API)}
	if a.Password != "" {
		p := document.DocumentPassword{Hash: a.Password, MustChange: a.Filters.Change}
		if a.PasswordChange > 0 {
			p.Changed = time.UnixMilli(a.PasswordChange).UTC()
		}
		c.password(&x, p)
	}
	c.factor(&x, a.Filters.TOTP)
	c.remark("account", a.Username, "becomes an %s here, at web and API alone", role)
	if role == policy.RoleAuditor && len(a.Permissions) > len(sees) {
		c.remark("account", a.Username, "could change something as well (%s): an auditor changes nothing", strings.Join(a.Permissions, ", "))
	}
	c.add(x)
}

func roleOf(permissions []string) (policy.Role, bool) {
	if slices.Contains(permissions, everything) {
		return policy.RoleAdmin, true
	}
	for _, p := range sees {
		if !slices.Contains(permissions, p) {
			return "", false
		}
	}
	return policy.RoleAuditor, true
}
