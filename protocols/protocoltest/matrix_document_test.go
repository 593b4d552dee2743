package protocoltest_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/matrix.md anew")

// The document says what the test holds: it is made of the table, and a table
// that has changed fails until the document has, too.
func TestTheMatrixIsDocumented(t *testing.T) {
	const name = "../../docs/matrix.md"
	want := document()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table says (%v): go test ./protocols/protocoltest -run Documented -update", name, err)
	}
}

func document() []byte {
	var b bytes.Buffer
	b.WriteString(`# Who comes in, and which rule refuses

Every rule of admission over every way in. A test asks each cell over the real
protocol and reads the rule from the event that the client's reference leads to;
this page is made of its table. What a rule asks, and what lifts its refusal, is
said by ` + "`gatehouse explain`" + ` and in the list of rules.

*in*: the way leads in (for the API, where the password must be changed or a second
factor set up, to nothing but that; for a reset link or an invitation, to the page that
it is for, which no list of doors closes). *asks*: the password was right, and the client
is asked for the code. *no login*: the key is not the account's, so that nothing was
proved. *-*: the rule cannot apply; an invitation has no account yet. Everything else is
the rule that refuses. HTTP in clear from beyond loopback is always refused by
` + "`transport`" + `, before a credential is looked at.

| rule | in force because | refused or asked |
| --- | --- | --- |
`)
	for _, r := range matrix {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.rule, r.when, r.sentence())
	}
	b.WriteString("\nCell by cell:\n\n| |")
	for i := range matrix {
		fmt.Fprintf(&b, " %d |", i+1)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(matrix)) + "\n")
	for _, w := range ways {
		fmt.Fprintf(&b, "| %s |", w.name)
		for _, r := range matrix {
			fmt.Fprintf(&b, " %s |", r.expected(w))
		}
		b.WriteString("\n")
	}
	b.WriteString("\nThe columns are the rules above, in their order.\n")
	return b.Bytes()
}

// few ways are named even where they are all that a rule applies to.
const few = 3

// sentence names the ways that do not lead in.
func (r row) sentence() string {
	var out []string
	applies := 0
	for _, w := range ways {
		got := r.want(w)
		if got == none || w.clearWeb() {
			continue
		}
		if applies++; got != in {
			out = append(out, w.name)
		}
	}
	switch {
	case len(out) == 0:
		return "nobody"
	case len(out) == applies && applies > few:
		return "every way"
	}
	return strings.Join(out, ", ")
}
