package auth

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/names"
)

// The critical options of user certificates that OpenSSH knows
// (PROTOCOL.certkeys). The first is the only one that can be kept here.
const (
	sourceAddress = "source-address"
	forceCommand  = "force-command"
)

// farFuture is the end of the year 9999, beyond which moments cannot be told apart.
const farFuture = 253_402_300_799

// minRSA is the shortest RSA key that is taken, in bits.
const minRSA = 2048

// certificateCredential is what policy reads of a certificate that completed the
// handshake; an error says why it is not taken. Whether it is in force now is
// for policy.
func certificateCredential(a accounts.Account, site policy.Site, cert *ssh.Certificate) (policy.Credential, error) {
	c := policy.Credential{Kind: policy.KindCertificate}
	if cert == nil || a.ID == "" {
		return c, errors.New("there is no such account")
	}
	c.ID = ssh.FingerprintSHA256(cert.Key)
	if err := checkCertificate(a, site, cert); err != nil {
		return c, err
	}
	c.Proved, c.MustChange = true, mustChange(a)
	c.Begins = time.Unix(int64(cert.ValidAfter), 0)
	if cert.ValidBefore <= math.MaxInt64 {
		c.Expires = time.Unix(int64(cert.ValidBefore), 0)
	}
	if list, ok := cert.CriticalOptions[sourceAddress]; ok {
		prefixes, err := policy.ParsePrefixes(strings.Split(list, ","))
		if err != nil {
			return policy.Credential{ID: c.ID, Kind: c.Kind}, fmt.Errorf("the certificate's source-address: %w", err)
		}
		c.AllowedIPs = prefixes
	}
	return c, nil
}

// checkCertificate refuses a certificate that is not one of the site's for the
// account.
func checkCertificate(a accounts.Account, site policy.Site, cert *ssh.Certificate) error {
	if cert.CertType != ssh.UserCert {
		return errors.New("the certificate is not a user's")
	}
	if !isAuthority(site, cert.SignatureKey) {
		return errors.New("the certificate is signed by no authority of the site")
	}
	if err := strongEnough(cert); err != nil {
		return err
	}
	for option := range cert.CriticalOptions {
		switch option {
		case sourceAddress:
		case forceCommand:
			return errors.New("the certificate has a force-command, and there are no commands here")
		default:
			return fmt.Errorf("the certificate has the critical option %q, which is not known", option)
		}
	}
	return checkNames(a, cert)
}

// checkNames asks the library about the signature, with the account's own name
// for that of the certificate's principals that is it.
func checkNames(a accounts.Account, cert *ssh.Certificate) error {
	principal, ok := principalOf(a, cert)
	if !ok {
		return errors.New("the certificate's principals do not hold the username")
	}
	if cert.ValidAfter >= cert.ValidBefore || cert.ValidAfter > farFuture {
		return errors.New("the certificate is never in force")
	}
	// Whether it is in force now is for policy, which knows of the moments to come.
	clock := func() time.Time { return time.Unix(int64(cert.ValidAfter), 0) }
	checker := ssh.CertChecker{Clock: clock, SupportedCriticalOptions: []string{sourceAddress}}
	return checker.CheckCert(principal, cert)
}

// principalOf finds the principal that is the account's name. A certificate for
// everybody, without any, is for nobody.
func principalOf(a accounts.Account, cert *ssh.Certificate) (string, bool) {
	name, err := names.Canonical(a.Name)
	if err != nil {
		return "", false
	}
	for _, p := range cert.ValidPrincipals {
		if canonical, err := names.Canonical(p); err == nil && canonical == name {
			return p, true
		}
	}
	return "", false
}

// isAuthority reports whether a key may certify users of the site.
func isAuthority(site policy.Site, key ssh.PublicKey) bool {
	if key == nil {
		return false
	}
	wire := key.Marshal()
	for _, line := range site.SSHUserCAs {
		ca, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err == nil && bytes.Equal(ca.Marshal(), wire) {
			return true
		}
	}
	return false
}

// strongEnough refuses SHA-1 signatures and short RSA keys.
func strongEnough(cert *ssh.Certificate) error {
	if cert.Signature == nil || cert.Signature.Format == ssh.KeyAlgoRSA {
		return errors.New("the certificate is signed with SHA-1")
	}
	for _, key := range []ssh.PublicKey{cert.Key, cert.SignatureKey} {
		if key.Type() != ssh.KeyAlgoRSA {
			continue
		}
		public, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			return errors.New("the certificate has an RSA key that cannot be read")
		}
		if k, ok := public.CryptoPublicKey().(*rsa.PublicKey); !ok || k.N.BitLen() < minRSA {
			return fmt.Errorf("the certificate has an RSA key of fewer than %d bits", minRSA)
		}
	}
	return nil
}
