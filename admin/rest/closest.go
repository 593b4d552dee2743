package rest

// closeEnough is how many letters two names may differ in that were meant to be one.
const closeEnough = 2

// A Guess finds which of many names somebody has meant.
type Guess struct {
	asked string
	best  string
	least int
}

// NewGuess guesses what a name that is nobody's was to be.
func NewGuess(asked string) *Guess { return &Guess{asked: asked, least: closeEnough + 1} }

// Offer looks at a name.
func (g *Guess) Offer(name string) {
	if d := distance(g.asked, name); d < g.least && d < len(g.asked) {
		g.best, g.least = name, d
	}
}

// Hint asks whether the closest name was meant, "" where none is close.
func (g *Guess) Hint() string {
	if g.best == "" {
		return ""
	}
	return `: did you mean "` + g.best + `"?`
}

// distance is how many letters have to be put in, taken out or changed, or pairs
// turned round, to make one name of another; more than closeEnough is not counted.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if max(len(x)-len(y), len(y)-len(x)) > closeEnough {
		return closeEnough + 1
	}
	var before []int
	last := make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			change := 1
			if x[i] == y[j] {
				change = 0
			}
			row[j+1] = min(last[j]+change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
