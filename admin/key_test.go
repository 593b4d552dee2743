package admin_test

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

func authorized(key ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
}
