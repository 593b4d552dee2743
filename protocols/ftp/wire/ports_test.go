package wire

import (
	"net/netip"
	"testing"
)

func TestParsePORT(t *testing.T) {
	for arg, want := range map[string]string{
		"192,0,2,7,14,178":     "192.0.2.7:3762",
		"127,0,0,1,0,21":       "127.0.0.1:21",
		"192,0,2,7,14":         "",
		"192,0,2,7,14,178,1":   "",
		"192,0,2,256,14,178":   "",
		"192,0,2,7,14,+17":     "",
		"192,0,2,7,14, 17":     "",
		"192,0,2,0007,14,17":   "",
		"":                     "",
		"192.0.2.7,1,2,3,4,14": "",
	} {
		got, err := ParsePORT(arg)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("PORT %s: %v, %v; want %q", arg, got, err, want)
		}
	}
}

func TestParseEPRT(t *testing.T) {
	for arg, want := range map[string]string{
		"|1|192.0.2.7|3762|":          "192.0.2.7:3762",
		"|2|2001:db8::1|3762|":        "[2001:db8::1]:3762",
		"!1!192.0.2.7!3762!":          "192.0.2.7:3762",
		"|2|192.0.2.7|3762|":          "",
		"|1|2001:db8::1|3762|":        "",
		"|3|192.0.2.7|3762|":          "",
		"|1|192.0.2.7|65536|":         "",
		"|1|192.0.2.7|-1|":            "",
		"|1|192.0.2.7|3762":           "",
		"|1|192.0.2.7|3762|x":         "",
		"|2|fe80::1%eth0|3762|":       "",
		"|1|localhost|3762|":          "",
		"":                            "",
		"\x001\x00192.0.2.7\x001\x00": "",
	} {
		got, err := ParseEPRT(arg)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("EPRT %q: %v, %v; want %q", arg, got, err, want)
		}
	}
}

// What is parsed is an address and a port, and reads the same when it is
// written again.
func FuzzPorts(f *testing.F) {
	f.Add("192,0,2,7,14,178")
	f.Add("|1|192.0.2.7|3762|")
	f.Add("|2|2001:db8::1|3762|")
	f.Fuzz(func(t *testing.T, arg string) {
		for _, parse := range []func(string) (netip.AddrPort, error){ParsePORT, ParseEPRT} {
			got, err := parse(arg)
			if err != nil {
				continue
			}
			again, err := netip.ParseAddrPort(got.String())
			if err != nil || again != got || got.Addr().Zone() != "" || got.Addr().Is4In6() {
				t.Fatalf("%q is %v, which is no address", arg, got)
			}
		}
	})
}
