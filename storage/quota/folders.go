package quota

import (
	"gatehouse/policy/path"
)

// folders is the quotas by their folders, as a tree of names.
type folders struct {
	quota *pool
	below map[string]*folders
}

// above returns the quotas on p and above it, top-down.
func (t *folders) above(p path.Path) []*pool {
	var found []*pool
	if t.quota != nil {
		found = append(found, t.quota)
	}
	for name := range p.Names() {
		if t = t.below[name]; t == nil {
			break
		}
		if t.quota != nil {
			found = append(found, t.quota)
		}
	}
	return found
}

// at returns the quota on exactly p, nil for none.
func (t *folders) at(p path.Path) *pool {
	if t = t.find(p); t == nil {
		return nil
	}
	return t.quota
}

// within returns the quotas on p and below it.
func (t *folders) within(p path.Path) []*pool {
	if t = t.find(p); t == nil {
		return nil
	}
	return t.all(nil)
}

func (t *folders) find(p path.Path) *folders {
	for name := range p.Names() {
		if t = t.below[name]; t == nil {
			return nil
		}
	}
	return t
}

func (t *folders) all(found []*pool) []*pool {
	if t.quota != nil {
		found = append(found, t.quota)
	}
	for _, child := range t.below {
		found = child.all(found)
	}
	return found
}

// put places a quota on p.
func (t *folders) put(p path.Path, q *pool) {
	for name := range p.Names() {
		child := t.below[name]
		if child == nil {
			child = new(folders)
			if t.below == nil {
				t.below = make(map[string]*folders)
			}
			t.below[name] = child
		}
		t = child
	}
	t.quota = q
}

// remove takes the quota off p, and what leads to nothing else.
func (t *folders) remove(p path.Path) {
	name, rest := p.First()
	if name == "" {
		t.quota = nil
		return
	}
	child := t.below[name]
	if child == nil {
		return
	}
	child.remove(rest)
	if child.quota == nil && len(child.below) == 0 {
		delete(t.below, name)
	}
}
