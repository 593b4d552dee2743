package ftp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/policy"
)

// ftplib stores a file with Python's own client and prints what it hears.
const ftplib = `
import ftplib, ssl, sys
host, port, user, password, ca, local, scheme, name = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
ftp = ftplib.FTP() if scheme == "in clear" else ftplib.FTP_TLS(context=context)
ftp.connect(host, int(port))
ftp.login(user, password)
if scheme != "in clear":
    ftp.prot_p()
try:
    print(ftp.storbinary("STOR " + name, open(local, "rb")))
except ftplib.Error as e:
    print(e)
print(ftp.voidcmd("NOOP"))
`

// An upload that is refused, before it begins or in the middle of it, ends so that
// the reply is read, and the session goes on: a reset would drown it, and clients
// say nothing of a quota, or blame passive mode.
func TestRefusedUploadIsHeard(t *testing.T) {
	for _, name := range []string{"in clear", "explicit TLS"} {
		way := ways[name]
		t.Run(name, func(t *testing.T) {
			s := newSite(t, way.change)
			p := s.Add("anna")
			s.SetQuota("/home/anna", 1000, -1)
			local := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(local, []byte(someBytes(20<<20)), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Mkdir("/box")
			s.Grant("anna", "/box", policy.ReadOnly, "box")
			host, port, _ := strings.Cut(s.addr, ":")
			for target, want := range map[string]string{"f": "552 Quota exceeded", "box/f": "550 Permission denied"} {
				lftp := "set net:max-retries 1; set net:timeout 10; set ssl:ca-file " + certificateFile(t) + "; " + way.lftp +
					" open -u '" + p.Name + "," + p.Password + "' ftp://" + s.addr + "; put " + local + " -o " + target + "; bye"
				for client, args := range map[string][]string{
					"curl":    append([]string{"-sSv", "--cacert", certificateFile(t), "-u", p.Name + ":" + p.Password, "-T", local, "ftp://" + s.addr + "/" + target}, way.curl...),
					"lftp":    {"-c", lftp},
					"python3": {"-c", ftplib, host, port, p.Name, p.Password, certificateFile(t), local, name, target},
				} {
					out, _ := program(t, client, args...)
					if !strings.Contains(out, want) || strings.Contains(out, "Bad PASV") {
						t.Errorf("%s does not tell of %s:\n%s", client, want, out)
					}
					if client == "python3" && !strings.Contains(out, "200 OK") {
						t.Errorf("%s has lost its connection:\n%s", client, out)
					}
				}
			}
		})
	}
}
