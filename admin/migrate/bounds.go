package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/admin/document"
)

// withOwn is the quota of a virtual folder that counts in its user's own.
const withOwn = -1

// bounds are the quotas that users and groups have on folders of the tree. There
// each has its own on a folder that they share; here the folder has one.
type bounds map[string][]bound

type bound struct {
	who          string
	bytes, files int64 // 0: none
}

func (b bounds) add(tree, who string, bytes, files int64) {
	b[tree] = append(b[tree], bound{who, max(bytes, 0), max(files, 0)})
}

// bound notes the quota on a virtual folder.
func (c *converter) bound(kind, name string, f folder, tree string) {
	if f.QuotaSize == withOwn || f.QuotaFiles == withOwn {
		c.remark(kind, name, "what is in %s counted in its own quota: here it counts where it is, in %s", f.VirtualPath, tree)
	}
	who := name
	if kind == "group" {
		who = "the group " + name
	}
	c.bounds.add(tree, who, f.QuotaSize, f.QuotaFiles)
}

// folderQuotas puts quotas on folders. The most generous of those that a folder
// had counts: whoever had none there would be bounded by what was another's.
func (c *converter) folderQuotas() {
	for _, tree := range slices.Sorted(maps.Keys(c.bounds)) {
		list := c.bounds[tree]
		bytes, freeBytes := most(list, func(b bound) int64 { return b.bytes })
		files, freeFiles := most(list, func(b bound) int64 { return b.files })
		for what, free := range map[string][]string{"bytes": freeBytes, "files": freeFiles} {
			if len(free) > 0 && len(free) < len(list) {
				c.remark("quota", tree, "has no limit on %s: %s had none there, and a limit holds for everybody", what, strings.Join(free, ", "))
			}
		}
		q := quotaOf(bytes, files)
		if q == nil {
			continue
		}
		if owner := c.homeOf(tree); owner != "" {
			c.remark("quota", tree, "is the home of %s, whose own quota counts there: %s was left out", owner, quotaText(bytes, files))
			continue
		}
		if differ(list) {
			c.remark("quota", tree, "had other limits for each of those who share it: the largest counts, %s", quotaText(bytes, files))
		}
		c.Document.Quotas = append(c.Document.Quotas, document.DocumentQuota{Path: tree, QuotaSettings: *q})
	}
}

// most returns the largest figure, 0 where somebody has no limit, and who that is.
func most(list []bound, of func(bound) int64) (largest int64, free []string) {
	for _, b := range list {
		if of(b) == 0 {
			free = append(free, b.who)
		}
		largest = max(largest, of(b))
	}
	if len(free) > 0 {
		return 0, free
	}
	return largest, nil
}

func differ(list []bound) bool {
	return slices.ContainsFunc(list, func(b bound) bool { return b.bytes != list[0].bytes || b.files != list[0].files })
}

func quotaText(bytes, files int64) string {
	var parts []string
	if bytes > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", bytes))
	}
	if files > 0 {
		parts = append(parts, fmt.Sprintf("%d files", files))
	}
	return strings.Join(parts, ", ")
}

// homeOf names whose home a folder is to be, "" where it is nobody's.
func (c *converter) homeOf(tree string) string {
	for _, x := range c.Document.Accounts {
		if x.Home == tree || x.Home == "" && tree == "/home/"+strings.ToLower(x.Username) {
			return x.Username
		}
	}
	return ""
}
