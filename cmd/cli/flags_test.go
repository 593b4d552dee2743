package cli

import (
	"strings"
	"testing"
)

// Every bad value is answered with its flag and with what is allowed.
func TestBadValuesAreNamed(t *testing.T) {
	for line, want := range map[string]string{
		"account add x --role emperor":                      `--role "emperor": it is one of admin, auditor, user, guest`,
		"account add x --protocols sftp,gopher":             `"gopher" is none of sftp, ftp, webdav, web, api, inherit`,
		"account add x --uid many":                          `--uid "many": it is a whole number`,
		"account add x --quota much":                        `--quota: "much" is no size`,
		"account add x --limit sessions":                    `--limit "sessions": it is NAME=VALUE`,
		"account add x --limit speed=5":                     `"speed" is no limit; there are sessions,`,
		"account add x --limit upload_rate=fast":            `--limit upload_rate: "fast" is no size`,
		"account set x --shared=perhaps":                    `--shared "perhaps": it is true or false`,
		"account list --status asleep":                      "enabled, disabled, expired, locked",
		"account list --sort age":                           "-last_login",
		"account clone a b --role admin":                    "user, guest",
		"group add x --kind secret":                         "user, personal",
		"group add x --folder-quota much":                   `--folder-quota: "much" is no size`,
		"grant add x /y --preset all":                       "full, read-only, upload-only",
		"grant add x /y --permissions fly":                  `"fly" is none of list, read, create, write, delete, share`,
		"token add x --name n --expires tomorrow":           "a date such as 2031-01-31",
		"key add x y --expires 2031-02-30":                  "a date such as 2031-01-31",
		"app-password add x --name n --doors api":           `"api" is none of sftp, ftp, webdav`,
		"explain x --door gopher":                           "sftp, ftp, webdav, web, api, account",
		"explain x --door sftp --op write":                  "with --path",
		"explain x --door sftp --path /a":                   "with --op",
		"explain x --door sftp --op rename --path /a":       "with --to",
		"explain x --door sftp --op read --path /a --to /b": "--op rename and --op copy",
		"explain x --door sftp --at never":                  "is no time",
		"event list --outcome fine":                         "ok, refused, failed, cut, aborted",
		"event list --limit few":                            "it is a whole number",
		"event list --since soon":                           "is no time",
		"event follow --after now":                          "it is a whole number",
		"export --format xml":                               "yaml, json or csv",
		"export --force":                                    "is for --output",
		"export --secrets --format csv":                     "is for yaml and json",
		"import passwd x":                                   "sftpgo, shadow or htpasswd",
		"import sftpgo x --map nonsense":                    "DISK=TREE",
		"site set lockout=5":                                "there is lockout.failures, lockout.period, lockout.scope",
		"site set failures=5":                               "there is ban.failures, lockout.failures",
		"site set nonsense=5":                               "gatehouse site set --help",
		"site set lockout.failures=few":                     "is no whole number",
		"site set lock_profiles=maybe":                      "neither true nor false",
		"site set plain_ftp":                                "is not KEY=VALUE",
		"invitation add a@example.org --role king":          "user, guest, auditor, admin",
		"quota set /x --quota lots":                         "is no size",
		"account show x --server gopher://example.org":      "such as https://",
	} {
		status, _, errs := run(t, nil, strings.Fields(line)...)
		if status != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: ends with %d and %q, which lacks %q", line, status, errs, want)
		}
	}
}

// A command offers the flags that it can carry out, and no other.
func TestEachCommandOffersWhatItCanDo(t *testing.T) {
	for command, test := range map[string]struct{ has, lacks []string }{
		"account set":      {[]string{"must-change", "role"}, nil},
		"guest add":        {[]string{"managed-by", "expires"}, []string{"role", "manage-users", "manage-guests", "manage-personal-groups", "share-links"}},
		"account clone":    {[]string{"managed-by", "must-change"}, nil},
		"token add":        {[]string{"expires", "read-only", "allow-ip"}, []string{"doors", "folder", "computer"}},
		"app-password add": {[]string{"doors", "folder"}, []string{"computer"}},
		"client add":       {[]string{"doors", "folder", "computer", "os"}, nil},
	} {
		_, help, _ := run(t, nil, append(strings.Fields(command), "--help")...)
		for _, flag := range test.has {
			if !strings.Contains(help, "--"+flag+" ") {
				t.Errorf("%s has no --%s", command, flag)
			}
		}
		for _, flag := range test.lacks {
			if strings.Contains(help, "--"+flag+" ") {
				t.Errorf("%s offers --%s", command, flag)
			}
		}
	}
}
