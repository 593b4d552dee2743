package policy

import (
	"fmt"
	"strings"
)

// RulesPage is the list of rules as a Markdown page for administrators.
func RulesPage() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, section := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| rule | what it asks or says | setting | what lifts a refusal |\n| --- | --- | --- | --- |\n", section.title, section.about)
		for _, t := range section.rules {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", t.Rule, cell(t.Asks), cell(t.Setting), cell(t.Remedy))
		}
	}
	return b.String()
}

const pageHead = `# The rules

Every refusal, in the log, in an event and in ` + "`gatehouse explain`" + `, names one of these rules, the setting that decided,
and what would lift it. This page is made from the program itself.
`

type section struct {
	title, about string
	rules        []RuleText
}

// sections splits the rules where the next subject begins.
func sections() []section {
	var list []section
	for _, t := range ruleTexts {
		switch t.Rule {
		case RuleDoorSite:
			list = append(list, section{title: "Who may come in", about: "Asked in this order at every login, and again for open sessions whenever something changes. The first that refuses is named."})
		case RuleAdmitted:
			list = append(list, section{title: "Let in, or sent away", about: "What is named where none of them refuses, and why a session ended."})
		case RuleRole:
			list = append(list, section{title: "What may be done to files", about: "Asked at every operation, on the path asked for and on where it really is. Grants add up; nothing denies."})
		case RuleAdministrator:
			list = append(list, section{title: "What may be done for others", about: "Asked when accounts and groups are read or changed."})
		}
		last := &list[len(list)-1]
		last.rules = append(last.rules, t)
	}
	return list
}

// cell is text in a table; there is nothing to say where it is empty.
func cell(s string) string {
	if s == "" || s == "none" {
		return "-"
	}
	return strings.ReplaceAll(s, "|", `\|`)
}
