package ftp

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/protocols/protocoltest"
)

// ncftp knows no TLS here; it lists with NLST and options, and takes trees by
// MLSD.
func TestNcftp(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Require = Off })
	p := s.Add("anna")
	local, back := t.TempDir(), t.TempDir()
	content := someBytes(1 << 20)
	for i, name := range []string{"up/a/b/c", "up/empty", "up/sp ace/\u00e4", "up/d"} {
		full := filepath.Join(local, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content[:i*100_000]), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := strings.Cut(s.addr, ":")
	ncftp := func(name string, args ...string) string {
		t.Helper()
		return mustRun(t, name, append([]string{"-u", p.Name, "-p", p.Password, "-P", port}, args...)...)
	}
	ncftp("ncftpput", "-R", host, "/", filepath.Join(local, "up"))
	if got, want := s.Files("/home/anna"), protocoltest.Files(t, local); !maps.Equal(got, want) {
		t.Errorf("up went %v, want %v", sizes(got), sizes(want))
	}
	ncftp("ncftpget", "-R", "-T", host, back, "/up")
	if got, want := protocoltest.Files(t, back), protocoltest.Files(t, local); !maps.Equal(got, want) {
		t.Errorf("down came %v, want %v", sizes(got), sizes(want))
	}
	if got := strings.Fields(ncftp("ncftpls", "-1a", "ftp://"+host+"/up/a/")); strings.Join(got, " ") != "b" {
		t.Errorf("ncftpls -1a: %q", got)
	}
	if got := ncftp("ncftpls", "-la", "ftp://"+host+"/up/"); strings.Count(got, "anna anna") != 4 {
		t.Errorf("ncftpls -la: %q", got)
	}
}

// pythonFTP does with Python's ftplib what it can do.
const pythonFTP = `
import ftplib, io, ssl, sys
host, port, user, password, ca, scheme = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
ftp = ftplib.FTP() if scheme == "in clear" else ftplib.FTP_TLS(context=context)
ftp.connect(host, int(port))
ftp.login(user, password)
if scheme != "in clear":
    ftp.prot_p()
data = bytes(range(256)) * 4096
def get(**more):
    parts = []
    ftp.retrbinary("RETR d/f", parts.append, **more)
    return b"".join(parts)
assert ftp.mkd("d") == "/d" and ftp.pwd() == "/"
assert ftp.storbinary("STOR d/f", io.BytesIO(data)).startswith("226")
assert ftp.size("d/f") == len(data)
assert get() == data
assert get(rest=1000) == data[1000:]
assert ftp.storbinary("STOR d/f", io.BytesIO(data[2000:]), rest=2000).startswith("226")
assert get() == data
assert ftp.storlines("STOR d/text", io.BytesIO(b"one\r\ntwo\n")).startswith("226")
lines = []
ftp.retrlines("RETR d/text", lines.append)
assert lines == ["one", "two"], lines
assert sorted(ftp.nlst("d")) == ["d/f", "d/text"]
facts = dict(ftp.mlsd("d", facts=["type", "size"]))
assert facts["f"] == {"type": "file", "size": str(len(data))}, facts
ftp.dir("d", lines.append)
assert len(lines) == 4
connection = ftp.transfercmd("RETR d/f")
connection.recv(100)
assert ftp.abort()[:3] in ("426", "226") # all of it may have gone
assert ftp.getmultiline().startswith("226")
connection.close()
assert get() == data
assert ftp.rename("d/f", "g").startswith("250")
ftp.delete("g"); ftp.delete("d/text"); ftp.rmd("d")
assert ftp.nlst() == []
print(ftp.quit())
`

func TestPython(t *testing.T) {
	for _, name := range []string{"in clear", "explicit TLS"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, ways[name].change)
			p := s.Add("anna")
			host, port, _ := strings.Cut(s.addr, ":")
			mustRun(t, "python3", "-c", pythonFTP, host, port, p.Name, p.Password, certificateFile(t), name)
		})
	}
}
