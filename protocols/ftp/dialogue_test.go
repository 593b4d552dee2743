package ftp

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/ftp/wire"
	"gatehouse/protocols/protocoltest"
)

// Whatever somebody says who has logged in, the server answers in replies, one
// for each line, and touches nothing outside the home.
func FuzzDialogue(f *testing.F) {
	f.Add("CWD ..\r\nMKD a\r\nRNFR a\r\nRNTO ../../b")
	f.Add("RNFR f\nRNTO /../x\nDELE /../../secret")
	f.Add("REST 5\nEPSV\nPASV\nABOR\nSTAT /\nSTAT")
	f.Add("MFMT 20200101000000 \"\nSITE CHMOD 777 /..\nALLO 9223372036854775807 R 1")
	f.Add("OPTS MLST ;;type;\nMLST \x00\nMLST a\rb\nTYPE A\nSIZE f\nFEAT")
	f.Add("USER x\nPASS y\nAUTH TLS\nPBSZ 0\nPROT P\nCCC")
	f.Add("PORT 1,2,3,4,5,6\nEPRT |1|1.2.3.4|5|\nEPSV ALL\nPASV")
	f.Add("RETR f\nSTOR f\nAPPE f\nLIST\nNLST\nMLSD\n\xff\xf4\xff\xf2ABOR")
	f.Add("STOU\nEPSV\nSTOU f\nHASH f\nOPTS HASH MD5\nRANG 1 2\nXCRC \"f\" 1 2\nXMD5 f 1\nMFF modify=2020; f\nMFF UNIX.mode=777; /../x")
	f.Add("HOST x\nLANG fr\nHELP RETR\nHELP\nSITE HELP\nSTAT -d /\nNLST -la ..\nREIN\nUSER anna\nPASS x")
	s := newSite(f, func(c *Config) { c.Limits.Accept = 50 * time.Millisecond; c.Active = true })
	p := s.Add("anna")
	s.Write("/secret", "secret")
	s.Write("/home/ben/secret", "secret")
	f.Fuzz(func(t *testing.T, said string) {
		if err := os.WriteFile(s.OnDisk("/home/anna/f"), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := s.dial(t).login(p)
		lines := strings.Count(said, "\n") + 1
		if len(said) > wire.MaxLine {
			return
		}
		c.send(said + "\r\nNOOP\r\nQUIT\r\n")
		final := 0
		for {
			code, _, err := c.readReply()
			if errors.Is(err, io.EOF) {
				break
			}
			if e, ok := errors.AsType[net.Error](err); ok && !e.Timeout() {
				break // closed with something unread
			}
			if err != nil {
				t.Fatal(err)
			}
			if code >= 200 {
				final++
			}
		}
		if final == 0 || final > lines+2 {
			t.Fatalf("%d replies to %d lines", final, lines+2)
		}
		for name, content := range protocoltest.Files(t, s.Dir) {
			if !strings.HasPrefix(name, "/home/anna/") && content != "secret" {
				t.Fatalf("%s is %q", name, content)
			}
		}
	})
}
