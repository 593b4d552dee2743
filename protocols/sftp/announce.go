package sftp

import (
	"crypto/rand"
	"errors"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Host keys are announced to clients that have logged in, so that they learn a
// new one before the old one goes (OpenSSH, PROTOCOL section 2.5).
const (
	announceRequest = "hostkeys-00@openssh.com"
	proveRequest    = "hostkeys-prove-00@openssh.com"
)

// proofs is how often one connection may have keys proved; each proof costs a
// signature for each key.
const proofs = 4

func (c *connection) announce() error {
	_, _, err := c.ssh.SendRequest(announceRequest, false, c.server.keys.announced)
	return err
}

// answer answers global requests until the connection ends: keys are proved,
// everything else is refused.
func (c *connection) answer(requests <-chan *ssh.Request) {
	left := proofs
	for r := range requests {
		var proof []byte
		if r.Type == proveRequest && left > 0 {
			left--
			var err error
			if proof, err = c.server.keys.prove(c.ssh, r.Payload); err != nil {
				c.log.Debug("prove host keys", "error", err)
			}
		}
		if r.WantReply {
			r.Reply(proof != nil, proof)
		}
	}
}

var errForeignKey = errors.New("asked to prove a key that was not announced")

// prove signs, with each key asked for, what binds it to this connection. A key
// is proved once at most in an answer.
func (h hostKeys) prove(conn ssh.Conn, wanted []byte) ([]byte, error) {
	if len(wanted) == 0 {
		return nil, errForeignKey
	}
	var signatures []byte
	var done [][]byte
	for len(wanted) > 0 {
		var next struct {
			Key  []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(wanted, &next); err != nil {
			return nil, err
		}
		key := h.find(next.Key)
		if key == nil || slices.ContainsFunc(done, func(k []byte) bool { return string(k) == string(next.Key) }) {
			return nil, errForeignKey
		}
		signature, err := key.SignWithAlgorithm(rand.Reader, ssh.Marshal(struct {
			Request    string
			SessionID  []byte
			PublicPart []byte
		}{proveRequest, conn.SessionID(), next.Key}), algorithmOf(key, conn))
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, ssh.Marshal(struct{ Signature []byte }{ssh.Marshal(signature)})...)
		done, wanted = append(done, next.Key), next.Rest
	}
	return signatures, nil
}

// algorithmOf is what a key signs its proof with. For RSA clients want what the
// handshake has used, where that was RSA, and take any SHA-2 otherwise.
func algorithmOf(key ssh.Signer, conn ssh.Conn) string {
	kind := key.PublicKey().Type()
	if kind != ssh.KeyAlgoRSA {
		return kind
	}
	if meta, ok := conn.(ssh.AlgorithmsConnMetadata); ok && meta.Algorithms().HostKey == ssh.KeyAlgoRSASHA256 {
		return ssh.KeyAlgoRSASHA256
	}
	return ssh.KeyAlgoRSASHA512
}
