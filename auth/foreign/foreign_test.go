package foreign

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

// made were made by other programs: libxcrypt, OpenSSL and Python's hashlib.
var made = []struct{ name, hash, password string }{
	{"sha512-crypt, empty", "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1", ""},
	{"sha512-crypt, long", "$6$saltstring$YaCu2MStiERxP6eAfnqzSik5VRgnHvrJZritjF0LObFzQvtcVVYhcxvYtJQnZGXYzzoMLC/eRIuV9rH5fblCo/", "Grüße, correct horse battery staple"},
	{"sha512-crypt, longer", "$6$saltstring$t389DMhSoo4E0ZoBwi6pljSVVV2g3aqHWf0TDNhYgN8bq.ZZvSs36oL5OhBAJhEa0qstQyuXVFSHD/d.cFQMw0", strings.Repeat("x", 200)},
	{"sha512-crypt, rounds, empty", "$6$rounds=10000$saltstringsaltst$xuc/3ZHb0zTCjdaS/H9sWqIHQqdGImHveIs4HIMg.5dfNJpOYBI200IN9l6olHiR8.YI/P/Xe1hnfHOMI36.m0", ""},
	{"sha512-crypt, rounds, long", "$6$rounds=10000$saltstringsaltst$.r0KbuFuUbIQdEmYNIrFGEwoYoha1otv28PXYGF5g4.3lAv02u5VUwvKgU3vPOS00chzf.xZicKpcdHSPDwdv.", "Grüße, correct horse battery staple"},
	{"sha512-crypt, rounds, longer", "$6$rounds=10000$saltstringsaltst$NTRh43UgZCEdGRAy6zVhpdD2ECI5e7YpRytxd1NLILqRCfdlEAdKPQH4WQ601DyLUOg4/D3Nh8uJ/1Ze/RBsX.", strings.Repeat("x", 200)},
	{"sha256-crypt, rounds, empty", "$5$rounds=1400$anotherlongsalts$7IcTVudmZDHdXM3GIn4KAxA5tvn.eciiARdqRBeqNs/", ""},
	{"sha256-crypt, rounds, long", "$5$rounds=1400$anotherlongsalts$09yDjXVu3dEGqst2nuM8QkDW59CMXyh0HNXEaucvKV1", "Grüße, correct horse battery staple"},
	{"sha256-crypt, rounds, longer", "$5$rounds=1400$anotherlongsalts$5vYFGmtdsx7pyk9E/4wNW96dPLgD5OGnYX7Uc0EB8KA", strings.Repeat("x", 200)},
	{"sha256-crypt, empty", "$5$x$yHbtfs4Y8t6X1xcJemNX.4JQRfUTafA2qQenWGLBee2", ""},
	{"sha256-crypt, long", "$5$x$CW.VLsdOtIJl2.o4B2FpTzDd22fV.CeK1vBQdz2YGj6", "Grüße, correct horse battery staple"},
	{"sha256-crypt, longer", "$5$x$OUO7Op.Ggp.T5Yll4coMkZex2G9v00.4akrGlRwAsM6", strings.Repeat("x", 200)},
	{"md5-crypt, empty", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/", ""},
	{"md5-crypt, long", "$1$abcdefgh$c/jEVlKmP0AF2SIs7vowT0", "Grüße, correct horse battery staple"},
	{"md5-crypt, longer", "$1$abcdefgh$z6x8uc2YR4Iwn7XrK8ZMY/", strings.Repeat("x", 200)},
	{"md5-crypt, short salt, empty", "$1$a$8CfZSfErbeskipdhZHtvu.", ""},
	{"md5-crypt, short salt, long", "$1$a$yX2wPClph..XHRhsSkWUM1", "Grüße, correct horse battery staple"},
	{"md5-crypt, short salt, longer", "$1$a$NE88g1VJ6FWoLr8WhAtEc.", strings.Repeat("x", 200)},
	{"bcrypt, empty", "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq", ""},
	{"bcrypt, long", "$2b$04$abcdefghijklmnopqrstuulFOFY4dFoJiDLx.cuwYgWLA/HgqCwKu", "Grüße, correct horse battery staple"},
	{"bcrypt, longer", "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i", strings.Repeat("x", 200)},
	{"bcrypt 2y, long", "$2y$04$abcdefghijklmnopqrstuulFOFY4dFoJiDLx.cuwYgWLA/HgqCwKu", "Grüße, correct horse battery staple"},
	{"apr1, empty", "$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie.", ""},
	{"apr1, short salt, empty", "$apr1$a$lsAcX0kKaMIVmrCtUuk5b0", ""},
	{"apr1, long", "$apr1$abcdefgh$3BJmQ3.SnMT0alsgEMtr3/", "Grüße, correct horse battery staple"},
	{"apr1, short salt, long", "$apr1$a$66dlFO1WbW41B0SIm9kNf1", "Grüße, correct horse battery staple"},
	{"yescrypt of Debian", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$oDZLpf6TcsUJULFPqCijA.jn8ccNWLbP1IjMNbGvR.D", "Grüße, correct horse battery staple"},
	{"yescrypt, small", "$y$j75$abcdefgh$wPWF6ZngZZxi0TBX8BqPcYXMIarFww.baLy6hMEGMb9", "x"},
	{"pbkdf2 sha1", "$pbkdf2-sha1$1500$E86a9YMX3zC7$/aBfGbZ2c1j51KMO4UeIg6XyEwo=", "Grüße, correct horse battery staple"},
	{"pbkdf2 sha256", "$pbkdf2-sha256$1500$E86a9YMX3zC7$irt8LdPrcwaM3fBYGGGTb3Qn/pkW/ZursOb3068z90w=", "Grüße, correct horse battery staple"},
	{"pbkdf2 sha512", "$pbkdf2-sha512$1500$E86a9YMX3zC7$c8qte1RYkZW94pIa4foMn/htuqOPyMMraUfI99g5gt89x++p6BcCueiv0hee1N5QDbzLRvlsArJXBtBRds6CYw==", "Grüße, correct horse battery staple"},
	{"pbkdf2 sha256, salt in base64", "$pbkdf2-b64salt-sha256$1500$AGJpbmFyeSBzYWx0$QQIzd8bu3J4mUFjHGqhwtbbub9uohcWev3Zk0XaagM4=", "Grüße, correct horse battery staple"},
	{"pbkdf2 sha512, salt in base64", "$pbkdf2-b64salt-sha512$1500$AGJpbmFyeSBzYWx0$iLx3W5p+kgQTXYqUJorcEIU8seL5OwrH4+weFh/02l6Q/v3vvAR+nyUjW61U8l0751lt7qEK5oTciTLnfayI0Q==", "Grüße, correct horse battery staple"},
	{"md5", "{MD5}rEDBxEQzPZfL7cTDSwtk6A==", "Grüße, correct horse battery staple"},
	{"md5, hex", "{MD5}ac40c1c444333d97cbedc4c34b0b64e8", "Grüße, correct horse battery staple"},
	{"md5, salted", "{SMD5}o8kCdnTUMPRtazumnhuI/nNhbHQ=", "Grüße, correct horse battery staple"},
	{"sha1", "{SHA}IMvfk2RX5JAf/mrzkVyD4U5FQiA=", "Grüße, correct horse battery staple"},
	{"sha1, hex", "{SHA}20cbdf936457e4901ffe6af3915c83e14e454220", "Grüße, correct horse battery staple"},
	{"sha1, salted", "{SSHA}dIbpbVrEHmvSNvaguIFpkBXVZBdzYWx0", "Grüße, correct horse battery staple"},
	{"sha256", "{SHA256}5SGY9Wj+iJ+Dz0mJhC87GjOYmjVMxqdSbwceHGGtiSY=", "Grüße, correct horse battery staple"},
	{"sha256, hex", "{SHA256}e52198f568fe889f83cf4989842f3b1a33989a354cc6a7526f071e1c61ad8926", "Grüße, correct horse battery staple"},
	{"sha256, salted", "{SSHA256}rP8Jc0V/mq1FJYdMiMOiub4jAOHPcbPtdTbPN0oYZ9lzYWx0", "Grüße, correct horse battery staple"},
	{"sha512", "{SHA512}PE158ZbJNaMxmMM/ucCt9xgO1ceDmF/PAkwuciImBuocYH7TBKFraJBnqJnjRrLDFkOpX30o0jwS5x70t4G4Cg==", "Grüße, correct horse battery staple"},
	{"sha512, hex", "{SHA512}3c4d79f196c935a33198c33fb9c0adf7180ed5c783985fcf024c2e72222606ea1c607ed304a16b689067a899e346b2c31643a95f7d28d23c12e71ef4b781b80a", "Grüße, correct horse battery staple"},
	{"des, empty", "Sa8md6r.Q3opE", ""},
	{"des, one byte, no salt", "..4/MD05HLWjI", "a"},
	{"des, all salt", "zzXEPLr2tAbCY", "correct"},
	{"des, 7 bits", "XKqRatSkJ2H9Q", "\x7f\x01~!@#$%"},
	{"des, 8 bytes", "/.iTV2iP8pLgs", "password"},
	{"des, 8 bytes again", "QiG5RbAw5rEXI", "U*U*U*U*"},
	{"des, longer", "VWCs5m/EQrQfw", "0123456789"},
	{"des, not in ASCII", "BV88WDmzninro", "Grüße, correct horse battery staple"},
	{"des, far longer", "P1RnTxdkAAMZg", strings.Repeat("x", 200)},
	{"sha512, salted", "{SSHA512}00EC5FF7oJESa79hS+uyeidcr4WQHVhzw2riRif45owIwwPefJol/PPwmjbZqeNqRTxFh6OzNmF4ukoT0A7FlHNhbHQ=", "Grüße, correct horse battery staple"},
}

func TestVerifyWhatOthersMade(t *testing.T) {
	for _, c := range made {
		t.Run(c.name, func(t *testing.T) {
			if err := Known(c.hash); err != nil {
				t.Errorf("%s is not known: %v", c.hash, err)
			}
			if ok, err := Verify(c.hash, []byte(c.password)); err != nil || !ok {
				t.Errorf("got %v %v for the right password", ok, err)
			}
			for _, wrong := range []string{c.password + "y", "y" + c.password, "correct horse"} {
				if wrong == c.password+"y" && len(c.password) >= reads(c.hash) {
					continue
				}
				if ok, err := Verify(c.hash, []byte(wrong)); err != nil || ok {
					t.Errorf("got %v %v for the wrong password %q", ok, err, wrong)
				}
			}
		})
	}
}

// reads is how much of a password a format looks at.
func reads(hash string) int {
	switch {
	case strings.HasPrefix(hash, "$2"):
		return 72
	case len(hash) == desLength:
		return desKeySize
	}
	return math.MaxInt
}

func TestVerifyArgon2i(t *testing.T) {
	salt := []byte("salt and pepper")
	key := argon2.Key([]byte("correct horse"), salt, 3, 64, 2, 32)
	enc := base64.RawStdEncoding
	hash := fmt.Sprintf("$argon2i$v=19$m=64,t=3,p=2$%s$%s", enc.EncodeToString(salt), enc.EncodeToString(key))
	if ok, err := Verify(hash, []byte("correct horse")); err != nil || !ok {
		t.Errorf("got %v %v for the right password", ok, err)
	}
	if ok, err := Verify(hash, []byte("wrong")); err != nil || ok {
		t.Errorf("got %v %v for a wrong password", ok, err)
	}
}

// What was imported must not stop the gateway: no hash takes minutes, gigabytes
// or a panic.
func TestDearAndDamagedHashesAreRefused(t *testing.T) {
	sha := strings.Repeat("a", 86)
	for name, hash := range map[string]string{
		"empty":                   "",
		"no format":               "correct horse",
		"locked account":          "!",
		"des, cut":                "rEK1ecacw.7.",
		"des, one letter more":    "rEK1ecacw.7.cc",
		"des, no letter":          "rEK1ecac!.7.c",
		"des, 66 bits":            "rEK1ecacw.7.d",
		"des of BSDi":             "_J9..rasmBYk8r9AiWNc",
		"bcrypt of 2^31":          "$2b$31$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq",
		"bcrypt cut":              "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GI",
		"bcrypt without cost":     "$2b$",
		"sha512 of 10^9":          "$6$rounds=999999999$saltstring$" + sha,
		"sha512 of 10^99":         "$6$rounds=" + strings.Repeat("9", 99) + "$saltstring$" + sha,
		"sha512 of less than 0":   "$6$rounds=-5$saltstring$" + sha,
		"sha512 without hash":     "$6$saltstring$",
		"sha512 with a long salt": "$6$" + strings.Repeat("s", 17) + "$" + sha,
		"md5 cut":                 "$1$abcdefgh$M55TzYaacc",
		"md5 without salt":        "$1$",
		"yescrypt of 1 GiB":       "$y$jFT$F5Jx5fExrKuPp53xLKQ..1$oDZLpf6TcsUJULFPqCijA.jn8ccNWLbP1IjMNbGvR.D",
		"yescrypt, other flags":   "$y$/9T$F5Jx5fExrKuPp53xLKQ..1$oDZLpf6TcsUJULFPqCijA.jn8ccNWLbP1IjMNbGvR.D",
		"yescrypt cut":            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1",
		"yescrypt cut again":      "$y$j9",
		"argon2i of 4 TiB":        "$argon2i$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"argon2i for ever":        "$argon2i$v=19$m=64,t=4000000000,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"argon2i, no threads":     "$argon2i$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"argon2d":                 "$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"pbkdf2 for ever":         "$pbkdf2-sha256$4000000000$E86a9YMX3zC7$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"pbkdf2 of no digest":     "$pbkdf2-sha3$1000$E86a9YMX3zC7$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"pbkdf2 of four digests":  "$pbkdf2-sha1$600000$E86a9YMX3zC7$" + base64.StdEncoding.EncodeToString(make([]byte, 64)),
		"pbkdf2 of one byte":      "$pbkdf2-sha256$1000$E86a9YMX3zC7$AA==",
		"no digest":               "{SHA3}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
		"open brace":              "{SHA",
		"digest cut":              "{SHA}2jmj7l5rSw0yVb/vlWA=",
		"salted without salt":     "{SSHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
		"not salted with salt":    "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwkAAAA",
	} {
		t.Run(name, func(t *testing.T) {
			if err := Known(hash); !errors.Is(err, ErrUnknown) {
				t.Errorf("known: got %v, want %v", err, ErrUnknown)
			}
			began := time.Now()
			if ok, err := Verify(hash, []byte("correct horse")); ok || !errors.Is(err, ErrUnknown) {
				t.Errorf("verify: got %v %v, want %v", ok, err, ErrUnknown)
			}
			if took := time.Since(began); took > 10*time.Second { // far from the hours that some would take
				t.Errorf("it took %v to refuse", took)
			}
		})
	}
}

// The floor of a refusal is made of what is known of hashes without their salt.
func TestCostGrowsWithTheSetting(t *testing.T) {
	for _, c := range [][2]string{
		{"2b$10", "2b$12"}, {"6", "6$rounds=100000"}, {"5", "5$rounds=100000"}, {"1", "2b$10"}, {"y$j75", "y$j9T"},
		{"pbkdf2-sha256$1000", "pbkdf2-sha256$100000"}, {"argon2i$v=19$m=64,t=1,p=1", "argon2i$v=19$m=64,t=3,p=1"},
	} {
		less, err := Cost(c[0])
		if err != nil {
			t.Errorf("%s: %v", c[0], err)
		}
		more, err := Cost(c[1])
		if err != nil {
			t.Errorf("%s: %v", c[1], err)
		}
		if less >= more {
			t.Errorf("%s costs %v, %s costs %v", c[0], less, c[1], more)
		}
	}
	for _, scheme := range []string{"", "other", "2b", "2b$31", "6$rounds=999999999", "y$jFT", "argon2id$v=19$m=64,t=1,p=1"} {
		if d, err := Cost(scheme); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: got %v %v, want %v", scheme, d, err, ErrUnknown)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, c := range made {
		f.Add(c.hash)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		known := Known(hash)
		if cost, err := Cost(strings.Join(setting(hash), "$")); known == nil && (err != nil && hash[0] == '$' || cost > 3*time.Second) {
			t.Errorf("%q is known and costs %v %v", hash, cost, err)
		} else if cost > 20*time.Millisecond {
			return // known to be dear
		}
		ok, err := Verify(hash, []byte("a password that nobody has"))
		if ok || (err != nil) != (known != nil) && !strings.HasPrefix(hash, "$y$") && !strings.HasPrefix(hash, "$2") {
			t.Errorf("%q: got %v %v, and known says %v", hash, ok, err, known)
		}
	})
}

// The constants of Cost are checked against this.
func BenchmarkVerify(b *testing.B) {
	b.Run("reference", func(b *testing.B) {
		for b.Loop() {
			argon2.IDKey([]byte("correct horse"), []byte("salt and pepper"), 2, 19*1024, 1, 32)
		}
	})
	for _, hash := range []string{
		"$6$rounds=100000$saltstring$" + strings.Repeat("a", 86), "$5$rounds=100000$saltstring$" + strings.Repeat("a", 43),
		"$1$abcdefgh$c/jEVlKmP0AF2SIs7vowT0", "VWCs5m/EQrQfw", "$2b$10$abcdefghijklmnopqrstuulFOFY4dFoJiDLx.cuwYgWLA/HgqCwKu",
		"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$oDZLpf6TcsUJULFPqCijA.jn8ccNWLbP1IjMNbGvR.D",
		"$pbkdf2-sha256$100000$E86a9YMX3zC7$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"$pbkdf2-sha512$100000$E86a9YMX3zC7$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		scheme := strings.Join(setting(hash), "$")
		if scheme == "" {
			b.Run("des", func(b *testing.B) {
				for b.Loop() {
					_, _ = Verify(hash, []byte("correct horse battery staple"))
				}
			})
			continue
		}
		b.Run(scheme, func(b *testing.B) {
			for b.Loop() {
				if _, err := Verify(hash, []byte("correct horse battery staple")); err != nil {
					b.Fatal(err)
				}
			}
			want, err := Cost(scheme)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(want.Nanoseconds()), "ns-expected")
		})
	}
}

// Each round of SHA-crypt reads the whole password, and the time that a refusal
// takes is reckoned for short ones: who sends a long one must learn nothing by it.
func TestLongPasswordsAreNotWorthTheRounds(t *testing.T) {
	long := strings.Repeat("x", maxCryptPassword+1)
	for _, s := range []string{"$6$rounds=1000$salt$", "$5$rounds=1000$salt$"} {
		c := shaCrypt{sum: sha512.New, order: order512[:], rounds: 1000, salt: []byte("salt")}
		if strings.HasPrefix(s, "$5$") {
			c.sum, c.order = sha256.New, order256[:]
		}
		for password, want := range map[string]bool{long: false, long[1:]: true} {
			hash := s + encodeCrypt(c.compute([]byte(password)), c.order)
			if got, err := Verify(hash, []byte(password)); got != want || err != nil {
				t.Errorf("%s of %d bytes: got %v %v, want %v", s, len(password), got, err, want)
			}
		}
	}
}

func BenchmarkLongPassword(b *testing.B) {
	for _, n := range []int{8, 64, maxCryptPassword} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := shaCrypt{sum: sha512.New, order: order512[:], rounds: 5000, salt: []byte("0123456789abcdef")}
			for b.Loop() {
				c.compute(make([]byte, n))
			}
		})
	}
}
