package rest

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
)

// A Right says who may call an operation.
type Right string

// The rights.
const (
	Anyone Right = "anyone" // even without a login
	Self   Right = "self"   // every account, also one that must change its password or enrol first
	Own    Right = "own"    // every account
	Fresh  Right = "fresh"  // every account that has proved itself a moment ago
	Read   Right = "read"   // admins and auditors
	Admin  Right = "admin"
	Socket Right = "socket"
)

// Rights of operations that judge for themselves what of others a caller may
// touch: policy.Actor says it.
const (
	Look       Right = "look"   // admins, auditors, and delegates for what they manage
	Manage     Right = "manage" // admins, and delegates for what they manage
	GroupHeads Right = "group"  // every account, for groups that it manages or owns
)

const enrolFirst = "a second factor must be enrolled first: POST /me/totp"

// EnrolFirst refuses a login that is there to enrol a second factor, and for
// nothing else.
func EnrolFirst() error { return huma.NewError(http.StatusForbidden, enrolFirst) }

// RightOf reads the right that an operation was registered with; what says
// nothing is for admins alone.
func RightOf(op *huma.Operation) Right {
	if r, ok := op.Metadata["right"].(Right); ok {
		return r
	}
	return Admin
}

// judgeRequest is Refusal for a request: a token's scope is asked with each one.
func judgeRequest(op *huma.Operation, c *Caller) (status int, why string) {
	if status, why := Refusal(RightOf(op), c); status != 0 {
		return status, why
	}
	if c == nil || !c.ReadOnly {
		return 0, ""
	}
	if reads, _ := op.Metadata["reads"].(bool); reads || op.Method == http.MethodGet || op.Method == http.MethodHead {
		return 0, ""
	}
	return http.StatusForbidden, "this token is for reading alone"
}

// Refusal returns the status that refuses, 0 where the caller may go on.
func Refusal(needs Right, c *Caller) (status int, why string) {
	if needs == Anyone {
		return 0, ""
	}
	if c == nil {
		return http.StatusUnauthorized, "log in first"
	}
	if c.Socket() {
		if needs == Own || needs == Fresh {
			return http.StatusForbidden, "the local socket has no account of its own"
		}
		return 0, ""
	}
	if needs == Self {
		return 0, ""
	}
	if c.Session.MustChange() {
		return http.StatusForbidden, "the password must be changed first: PUT /me/password"
	}
	if c.Session.MustEnrol() {
		return http.StatusForbidden, enrolFirst
	}
	switch needs {
	case Own, GroupHeads:
		return 0, ""
	case Fresh:
		return c.Stale()
	}
	may := map[Right][]policy.Role{
		Read:  {policy.RoleAdmin, policy.RoleAuditor},
		Admin: {policy.RoleAdmin},

		Look:   {policy.RoleAdmin, policy.RoleAuditor},
		Manage: {policy.RoleAdmin},
	}
	if (needs == Look || needs == Manage) && c.Delegate() {
		return 0, ""
	}
	if !slices.Contains(may[needs], c.Role) {
		return http.StatusForbidden, "this takes another role"
	}
	return 0, ""
}
