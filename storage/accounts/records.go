package accounts

// What the names of records begin with that stand beside the accounts and groups,
// in their scope.
const (
	namePrefix     = "name/"
	groupNameIndex = "groupname/"
	makingPrefix   = "making/"
	leavingPrefix  = "leaving/"
	// adminsName is bumped by every change that could leave fewer admins able to
	// log in: of two such changes at once, one meets a conflict and looks again.
	adminsName = "admins"
)
