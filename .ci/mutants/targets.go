package main

import "slices"

// A target is a package and what in it is a check.
type target struct {
	dir string
	// checks are functions whose refusal is returned, flags are those that the
	// kernel checks, and fields hold in literals what the store checks.
	checks, flags, fields []string
	// decisions are functions of which every condition is a check; every means all
	// of the package but texts, which write a text or an order.
	decisions []string
	every     bool
	texts     []string
	// suites are further packages whose tests may kill a mutant.
	suites []string
}

// decides reports whether every condition of a function is a check.
func (t target) decides(function string) bool {
	return slices.Contains(t.decisions, function) || t.every && !slices.Contains(t.texts, function)
}

var targets = []target{
	{
		dir: "policy", every: true,
		texts: []string{"cell", "compareBool"},
	},
	{
		dir: "policy/guard",
		checks: []string{
			"judge", "judgeTree", "visible", "keeps", "newName", "allowed", "mayReplace", "mayRemoveFolder", "mayChange",
			"decide", "opens", "onlyReads", "unlocked", "within", "usable", "matches", "unchanged", "Check", "reserve", "Reserve", "Move",
			"stays", "admitted", "Admits", "unwritten", "stands", "stayed", "first", "again", "refused", "still", "grow", "heed",
			"mayRename", "mayCopy", "mayPlace", "mayStand", "folderThere", "hold", "beginAll", "secure", "storeHolds", "fits", "mayMove",
		},
		decisions: []string{"audited", "opens", "stays", "admitted", "mayPlace", "unchanged", "undo", "untouched", "takeAway"},
		suites:    []string{"./protocols/protocoltest"},
	},
	{
		dir:    "storage/locks",
		fields: []string{"Checks"},
		decisions: []string{
			"covers", "excludes", "life", "present", "fresh", "read", "learn", "change", "write", "postpone", "with", "covering",
			"within", "conflict", "count", "submits", "obstacle", "permits", "Check", "Refresh", "Unlock", "Break", "Moved",
		},
	},
	{
		dir:    "storage/quota",
		fields: []string{"Checks", "Min", "SetLimit", "Commit"},
		decisions: []string{
			"take", "free", "room", "lease", "do", "takeBoth", "force", "commit", "release", "marked", "activate", "ReserveBytes",
			"moving", "shrink", "Add", "yield", "end", "missing", "since", "enforce", "enforced", "learn", "relearn", "forget",
			"drop", "dropAll", "settle", "dead", "present",
		},
	},
	{
		dir: "protocols/webdav",
		decisions: []string{
			"versionOf", "conditional", "judgeHeaders", "anyMatch", "strongly", "weakly", "cutTag",
			"parseIf", "coded", "list", "condition", "bracketed", "tokens", "holds", "matches",
			"locate", "unescape", "refer", "covers", "here", "announced", "pin",
		},
	},
	{dir: "policy/path", every: true},
	{dir: "storage/mount", checks: []string{"Admits", "admits", "reserved", "busy", "within", "usable"}},
	{
		dir:   "storage/backend/local",
		flags: []string{"RESOLVE_NO_SYMLINKS", "O_NOFOLLOW", "RENAME_NOREPLACE", "AT_SYMLINK_NOFOLLOW"},
	},
}
