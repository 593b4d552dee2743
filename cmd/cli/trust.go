package cli

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// trust says whose certificate --server may show: of an authority that this
// machine knows (nil), of one in the file of --ca, or the one whose key is --pin.
func (a *app) trust() (*tls.Config, error) {
	ca, pin := cmp.Or(a.ca, a.Getenv("GATEHOUSE_CA")), cmp.Or(a.pin, a.Getenv("GATEHOUSE_PIN"))
	switch {
	case ca != "" && pin != "":
		return nil, usagef("give --ca or --pin (GATEHOUSE_CA or GATEHOUSE_PIN), not both")
	case pin != "":
		return pinned(pin)
	case ca != "":
		return authorities(ca)
	}
	return nil, nil
}

func authorities(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read --ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca %s holds no certificate in PEM", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// pinned takes the one public key, whatever the certificate around it says of
// name, time and issuer: whoever shows it has the private key to it.
func pinned(pin string) (*tls.Config, error) {
	want, err := parsePin(pin)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it, for resumed sessions too
		VerifyConnection: func(c tls.ConnectionState) error {
			if got := pinOf(c.PeerCertificates[0]); got != want {
				return fmt.Errorf("its certificate has the key %s, which is not the one of --pin: somebody may be in between", got)
			}
			return nil
		},
	}, nil
}

// pinOf is the SHA-256 of a certificate's public key (RFC 7469, section 2.4).
func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256:" + base64.StdEncoding.EncodeToString(sum[:])
}

// parsePin reads sha256:BASE64, and sha256//BASE64 as curl writes it.
func parsePin(text string) (string, error) {
	rest, ok := strings.CutPrefix(text, "sha256:")
	if !ok {
		rest, ok = strings.CutPrefix(text, "sha256//")
	}
	sum, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(sum) != sha256.Size {
		return "", usagef("--pin %q: it is sha256: and the base64 of 32 bytes, as the gateway prints it at its start", text)
	}
	return "sha256:" + rest, nil
}

// untrusted says what to do about a certificate that no authority vouches for.
func untrusted(err error) error {
	var failed *tls.CertificateVerificationError
	if !errors.As(err, &failed) || len(failed.UnverifiedCertificates) == 0 {
		return err
	}
	pin := pinOf(failed.UnverifiedCertificates[0])
	return fmt.Errorf("the gateway's certificate cannot be trusted: %w\n"+
		"Its key is %s. Compare that with what the gateway printed when it started; if it is the same, give --pin %s.\n"+
		"Where an authority of your own has signed it, give --ca FILE", failed.Err, pin, pin)
}
