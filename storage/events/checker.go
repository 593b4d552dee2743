package events

import (
	"fmt"
	"maps"
	"slices"

	"gatehouse/storage/state"
)

// A checker follows the chains of all nodes through the stream, entry by entry.
type checker struct {
	keys   *keys
	report Report
	at     uint64 // the position of the last entry seen
	tails  map[string]link
	nodes  map[string]*NodeReport
	marks  map[uint64][]mark // by position
}

// A mark is a checkpoint that the trail is held against.
type mark struct {
	Checkpoint
	from string
}

func newChecker(k *keys) *checker {
	return &checker{
		keys: k, tails: make(map[string]link), nodes: make(map[string]*NodeReport), marks: make(map[uint64][]mark),
		report: Report{Faults: []Fault{}, Nodes: []NodeReport{}},
	}
}

// begin starts after what was cut.
func (c *checker) begin(a anchor) {
	c.at, c.report.Cut = a.Position, a.Position
	maps.Copy(c.tails, a.Nodes)
	for position, marks := range c.marks {
		if position > a.Position {
			continue
		}
		for _, m := range marks {
			c.older(m, a)
		}
		delete(c.marks, position)
	}
}

// older holds a checkpoint of what was cut against the cut: the anchor knows how
// far each chain had come by then. One that does not is of another trail, such as
// one that was made to look older than chains are.
func (c *checker) older(m mark, a anchor) {
	c.report.Older++
	if a.Nodes[m.Node].Sequence >= m.Sequence {
		return
	}
	c.fault(Fault{
		Position: a.Position, Node: m.Node, Sequence: m.Sequence, What: FaultCheckpoint,
		Detail: fmt.Sprintf("the checkpoint of %s that was %s attests number %d; what was cut had come to %d: the trail was written anew",
			m.Time.Format(timeFormat), m.from, m.Sequence, a.Nodes[m.Node].Sequence),
	})
}

// hold notes checkpoints, given as texts.
func (c *checker) hold(texts []string, from string) {
	for _, text := range texts {
		cp, err := c.keys.parseCheckpoint(text)
		if err != nil {
			c.fault(Fault{What: FaultCheckpoint, Detail: "a checkpoint that was " + from + " is damaged, or not of this installation"})
			continue
		}
		c.marks[cp.Position] = append(c.marks[cp.Position], mark{cp, from})
	}
}

func (c *checker) fault(f Fault) {
	if len(c.report.Faults) == mostFaults {
		c.report.More = true
		return
	}
	c.report.Faults = append(c.report.Faults, f)
}

func (c *checker) visit(e state.Entry) {
	if e.Position != c.at+1 {
		c.fault(Fault{Position: c.at + 1, What: FaultMissing, Detail: fmt.Sprintf("positions %d to %d are missing", c.at+1, e.Position-1)})
		c.pass(e.Position - 1)
	}
	if c.report.Entries++; c.report.First == 0 {
		c.report.First = e.Position
	}
	c.at, c.report.Last = e.Position, e.Position
	entry, err := parseChained(e.Value)
	if err != nil {
		c.fault(Fault{Position: e.Position, What: FaultForeign, Detail: "this entry is of no node's chain"})
	} else {
		c.follow(e, &entry)
	}
	for _, m := range c.marks[e.Position] {
		c.report.Held++
		if err != nil || entry.node != m.Node || entry.link != (link{m.Sequence, m.MAC}) {
			c.fault(Fault{
				Position: e.Position, Node: m.Node, Sequence: m.Sequence, What: FaultCheckpoint,
				Detail: fmt.Sprintf("the checkpoint of %s that was %s attests another entry here: the trail was written anew", m.Time.Format(timeFormat), m.from),
			})
		}
	}
	delete(c.marks, e.Position)
}

// damaged notes positions that the store has and cannot read.
func (c *checker) damaged(d *state.DamageError) {
	c.fault(Fault{Position: d.First, What: FaultMissing, Detail: fmt.Sprintf("positions %d to %d cannot be read: %s is damaged", d.First, d.Last, d.Where)})
	c.pass(d.Last)
	c.at, c.report.Last = d.Last, d.Last
}

const timeFormat = "2006-01-02 15:04:05 MST"

// pass leaves out positions up to one: checkpoints of entries that are missing
// say nothing new.
func (c *checker) pass(upTo uint64) {
	for position, marks := range c.marks {
		if position > c.at && position <= upTo {
			c.report.Held += len(marks)
			delete(c.marks, position)
		}
	}
}

// follow holds an entry against the tail of its node's chain. After a fault the
// chain is taken up again from the entry, so that one change is one fault.
func (c *checker) follow(e state.Entry, entry *chained) {
	tail := c.tails[entry.node]
	fault := Fault{Position: e.Position, Node: entry.node, Sequence: entry.Sequence}
	holds, known := c.keys.holds(tail.MAC, entry)
	switch {
	case !known:
		fault.What, fault.Detail = FaultForeign, "made under a key that is not this installation's"
	case entry.Sequence <= tail.Sequence:
		fault.What, fault.Detail = FaultOrder, fmt.Sprintf("number %d of the node comes after number %d", entry.Sequence, tail.Sequence)
	case entry.Sequence > tail.Sequence+1:
		fault.What, fault.Detail = FaultMissing, fmt.Sprintf("numbers %d to %d of the node are missing before this one", tail.Sequence+1, entry.Sequence-1)
	case !holds:
		fault.What, fault.Detail = FaultChanged, "this entry, or the one of this node before it, was changed"
	}
	if fault.What != "" {
		c.fault(fault)
	}
	if fault.What != FaultOrder {
		c.tails[entry.node] = entry.link
	}
	n := c.nodes[entry.node]
	if n == nil {
		n = &NodeReport{Node: entry.node}
		c.nodes[entry.node] = n
	}
	n.Entries++
	n.Last, n.Newest = c.tails[entry.node].Sequence, e.Time.UTC()
}

// end reports checkpoints of what comes after the last entry.
func (c *checker) end() {
	for _, position := range slices.Sorted(maps.Keys(c.marks)) {
		for _, m := range c.marks[position] {
			c.report.Held++
			c.fault(Fault{
				Position: c.at + 1, Node: m.Node, Sequence: m.Sequence, What: FaultMissing,
				Detail: fmt.Sprintf("the trail ends at position %d; the checkpoint of %s that was %s attests position %d", c.at, m.Time.Format(timeFormat), m.from, position),
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		c.report.Nodes = append(c.report.Nodes, *c.nodes[name])
	}
	slices.SortStableFunc(c.report.Faults, func(a, b Fault) int { return int(min(max(int64(a.Position)-int64(b.Position), -1), 1)) })
	c.report.Whole = len(c.report.Faults) == 0
}
