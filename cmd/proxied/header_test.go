package proxied

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// v2 writes a header of version 2.
func v2(command, family byte, body ...byte) string {
	head := append([]byte(signatureV2), command, family)
	return string(append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...))
}

var (
	ends4 = []byte{203, 0, 113, 7, 192, 0, 2, 1, 0xc0, 0x01, 0x08, 0x49}
	ends6 = bytes.Join([][]byte{
		netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice(), {0xc0, 0x01, 0x08, 0x49},
	}, nil)
	mapped = bytes.Join([][]byte{
		netip.MustParseAddr("::ffff:203.0.113.7").AsSlice(), netip.MustParseAddr("::ffff:192.0.2.1").AsSlice(), {0xc0, 0x01, 0x08, 0x49},
	}, nil)
)

var headers = map[string]struct {
	sent, client, reached string // no client: it is unknown
	own                   bool
	err                   error
}{
	"1, IPv4":                   {sent: "PROXY TCP4 203.0.113.7 192.0.2.1 49153 2121\r\n", client: "203.0.113.7:49153", reached: "192.0.2.1:2121"},
	"1, IPv6":                   {sent: "PROXY TCP6 2001:db8::7 2001:db8::1 49153 2121\r\n", client: "[2001:db8::7]:49153", reached: "[2001:db8::1]:2121"},
	"1, IPv4-mapped is IPv4":    {sent: "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 49153 2121\r\n", client: "203.0.113.7:49153", reached: "192.0.2.1:2121"},
	"1, unknown":                {sent: "PROXY UNKNOWN\r\n"},
	"1, unknown, with more":     {sent: "PROXY UNKNOWN 203.0.113.7 192.0.2.1 1 2\r\n"},
	"1, another family":         {sent: "PROXY TCP4 2001:db8::7 2001:db8::1 49153 2121\r\n", err: ErrHeader},
	"1, IPv4 as IPv6":           {sent: "PROXY TCP6 203.0.113.7 192.0.2.1 49153 2121\r\n", err: ErrHeader},
	"1, no family":              {sent: "PROXY UDP4 203.0.113.7 192.0.2.1 49153 2121\r\n", err: ErrHeader},
	"1, a zone":                 {sent: "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", err: ErrHeader},
	"1, octal":                  {sent: "PROXY TCP4 0203.0.113.7 192.0.2.1 1 2\r\n", err: ErrHeader},
	"1, a port too high":        {sent: "PROXY TCP4 203.0.113.7 192.0.2.1 65536 2\r\n", err: ErrHeader},
	"1, a port with a sign":     {sent: "PROXY TCP4 203.0.113.7 192.0.2.1 +1 2\r\n", err: ErrHeader},
	"1, a port with a zero":     {sent: "PROXY TCP4 203.0.113.7 192.0.2.1 01 2\r\n", err: ErrHeader},
	"1, two spaces":             {sent: "PROXY TCP4  203.0.113.7 192.0.2.1 1 2\r\n", err: ErrHeader},
	"1, too few fields":         {sent: "PROXY TCP4 203.0.113.7\r\n", err: ErrHeader},
	"1, in small letters":       {sent: "proxy TCP4 203.0.113.7 192.0.2.1 1 2\r\n", err: ErrNoHeader},
	"1, no end":                 {sent: "PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n" + strings.Repeat(" ", 200), err: ErrHeader},
	"1, cut off":                {sent: "PROXY TCP4 203.0.113", err: ErrHeader},
	"2, IPv4":                   {sent: v2(0x21, 0x11, ends4...), client: "203.0.113.7:49153", reached: "192.0.2.1:2121"},
	"2, IPv6":                   {sent: v2(0x21, 0x21, ends6...), client: "[2001:db8::7]:49153", reached: "[2001:db8::1]:2121"},
	"2, IPv4-mapped is IPv4":    {sent: v2(0x21, 0x21, mapped...), client: "203.0.113.7:49153", reached: "192.0.2.1:2121"},
	"2, with more behind it":    {sent: v2(0x21, 0x11, append(bytes.Clone(ends4), 0x04, 0, 1, 'x')...), client: "203.0.113.7:49153", reached: "192.0.2.1:2121"},
	"2, local":                  {sent: v2(0x20, 0x00), own: true},
	"2, local, with an address": {sent: v2(0x20, 0x11, ends4...), own: true},
	"2, unspecified":            {sent: v2(0x21, 0x00)},
	"2, a Unix socket":          {sent: v2(0x21, 0x31, make([]byte, 216)...)},
	"2, UDP":                    {sent: v2(0x21, 0x12, ends4...)},
	"2, too short":              {sent: v2(0x21, 0x11, ends4[:11]...), err: ErrHeader},
	"2, IPv6 of IPv4's length":  {sent: v2(0x21, 0x21, ends4...), err: ErrHeader},
	"2, another version":        {sent: v2(0x31, 0x11, ends4...), err: ErrHeader},
	"2, another command":        {sent: v2(0x22, 0x11, ends4...), err: ErrHeader},
	"2, too long":               {sent: v2(0x21, 0x11, make([]byte, longestV2+1)...), err: ErrHeader},
	"2, cut off":                {sent: v2(0x21, 0x11, ends4...)[:20], err: ErrHeader},
	"SSH":                       {sent: "SSH-2.0-OpenSSH_9.2\r\n", err: ErrNoHeader},
	"HTTP":                      {sent: "GET / HTTP/1.1\r\n", err: ErrNoHeader},
	"TLS":                       {sent: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03xx", err: ErrNoHeader},
	"a few bytes":               {sent: "x", err: ErrNoHeader},
	"nothing":                   {sent: "", err: io.EOF},
}

func TestHeaders(t *testing.T) {
	for name, c := range headers {
		t.Run(name, func(t *testing.T) {
			h, err := Read(strings.NewReader(c.sent))
			if !errors.Is(err, c.err) {
				t.Fatalf("error is %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if h.Own != c.own || text(h.Client) != c.client || text(h.Reached) != c.reached {
				t.Errorf("got %+v, want %+v", h, c)
			}
		})
	}
}

func text(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// What follows the header is the client's: not a byte of it is taken, or TLS
// and SSH would miss their beginning.
func TestNothingBehindTheHeaderIsRead(t *testing.T) {
	for name, c := range headers {
		if c.err != nil {
			continue
		}
		r := strings.NewReader(c.sent + "SSH-2.0-x\r\n")
		if _, err := Read(r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "SSH-2.0-x\r\n" {
			t.Errorf("%s: %q is left", name, rest)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range headers {
		f.Add([]byte(c.sent))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(sent)
		h, err := Read(r)
		if err != nil {
			return
		}
		if used := len(sent) - r.Len(); used > max(longestV1, len(signatureV2)+4+longestV2) {
			t.Errorf("%d bytes were read", used)
		}
		if h.Client.Addr().Is4In6() || h.Client.Addr().Zone() != "" {
			t.Errorf("the client is %s", h.Client)
		}
		if h.Own && h.Client.IsValid() {
			t.Errorf("the proxy itself comes from %s", h.Client)
		}
	})
}
