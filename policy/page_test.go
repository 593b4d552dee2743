package policy_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"gatehouse/policy"
)

var update = flag.Bool("update", false, "write golden files anew")

// The documents tell of the rules that the program has, no more and no less.
func TestTheRulesPageIsTrue(t *testing.T) {
	const name = "../docs/rules.md"
	page := policy.RulesPage()
	if *update {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page {
		t.Errorf("%s differs from the rules: run with -update and look at the difference", name)
	}
	for _, r := range policy.Rules() {
		if n := strings.Count(page, "\n| `"+string(r.Rule)+"` |"); n != 1 {
			t.Errorf("%s is there %d times", r.Rule, n)
		}
	}
	for i, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 5 {
			t.Errorf("line %d is no row of the table: %s", i+1, line)
		}
	}
}

// Whatever refuses says what lifts it.
func TestEveryRefusalHasARemedy(t *testing.T) {
	for _, r := range policy.Rules() {
		switch r.Rule {
		case policy.RuleAdmitted, policy.RuleLink, policy.RuleLocalSocket:
			continue
		}
		if r.Remedy == "" {
			t.Errorf("%s has no remedy", r.Rule)
		}
	}
}
