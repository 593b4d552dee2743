package sftp_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// A reason says why our door answers otherwise than OpenSSH. It stands in the
// documentation as it stands here.
type reason string

// differences are all reasons, in the order of the documentation.
var differences = []reason{
	modes, owners, unclear, folders, directions, links, clean, garbled, silence, dots, absent, emptyFolder, sameFile, nameless, emptyWrite,
}

const (
	modes       reason = "The owner keeps reading and writing a file, and all of a folder, whatever mode a client sets; setuid, setgid and sticky are dropped. An account could lock itself out of its files otherwise, and they have no meaning here."
	owners      reason = "Owners and groups are never changed, not to what they are either: they belong to the gateway."
	unclear     reason = "`SSH_FXF_TRUNC` without writing, `SSH_FXF_EXCL` without `SSH_FXF_CREAT` and no direction at all are refused. OpenSSH drops what protects (`EXCL`) and empties a file that was opened to be read."
	folders     reason = "A folder is not opened as a file; OpenSSH opens it and refuses the first read."
	directions  reason = "A request against the direction of its handle is `PERMISSION_DENIED`, not `NO_SUCH_FILE` or `BAD_MESSAGE`, also where it is for nothing: the file is there."
	links       reason = "Links are made and followed only within what the account sees: nothing is created through a link that leads to nothing, a link has no attributes of its own, hard links are of files only, a target must be a path that could exist."
	clean       reason = "`..`, `.` and slashes at the end are resolved in the text of a path before anything else: `missing/../f` is `f`, and so is `f/`."
	garbled     reason = "A request that cannot be parsed is answered with `BAD_MESSAGE` and the channel goes on, where it has an id; OpenSSH ends. A second `INIT` ends the channel."
	silence     reason = "Packets of unknown types are answered with `OP_UNSUPPORTED`; OpenSSH leaves them without an answer, on which clients wait."
	dots        reason = "Listings have neither `.` nor `..`: every client leaves them out."
	absent      reason = "Setting no attribute at all asks whether the file is there; OpenSSH does not look."
	emptyFolder reason = "`posix-rename@openssh.com` replaces files, and no folder, not an empty one either."
	sameFile    reason = "`posix-rename@openssh.com` of one name of a file onto another leaves the other, and not both."
	nameless    reason = "A file that was removed while it was open can be read and written, and does not grow: no quota would count it."
	emptyWrite  reason = "Writing nothing succeeds wherever it is asked for."
)

var update = flag.Bool("update", false, "write the differences into docs/sftp.md anew")

// What differs is in the documentation, with its reason.
func TestDifferencesAreDocumented(t *testing.T) {
	const name, heading = "../../docs/sftp.md", "## Where it differs from OpenSSH\n"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), heading)
	if !found {
		t.Fatalf("%s has no part %q", name, heading)
	}
	after := ""
	if i := strings.Index(rest, "\n## "); i >= 0 {
		after = rest[i:]
	}
	var want strings.Builder
	want.WriteString(before + heading + "\nA test asks OpenSSH's server and this door the same and knows no other differences.\n\n")
	for _, why := range differences {
		want.WriteString("- " + string(why) + "\n")
	}
	want.WriteString(after)
	if *update {
		if err := os.WriteFile(name, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want.String() != string(text) {
		t.Errorf("%s is not what the table says: go test ./protocols/sftp -run Documented -update", name)
	}
}
