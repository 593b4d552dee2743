package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// keptFormat is the version of a proof as it is kept.
const keptFormat = 1

// keptProved is a Proved as it is kept: what was proved, and no secret. What the
// credential is good for is read anew, with its account.
type keptProved struct {
	Format       int                   `json:"format"`
	Account      string                `json:"account"`
	Kind         policy.CredentialKind `json:"kind"`
	ID           string                `json:"id,omitempty"`
	Code         policy.CodeState      `json:"code,omitempty"`
	Factor       string                `json:"factor,omitempty"`
	Certificate  []byte                `json:"certificate,omitempty"`
	At           time.Time             `json:"at"`
	NextPassword string                `json:"next_password,omitempty"`
	NextFactor   string                `json:"next_factor,omitempty"`
	DropsFactor  bool                  `json:"drops_factor,omitempty"`
}

// MarshalJSON writes a proof for another run, or another node, to go on with.
func (v *Proved) MarshalJSON() ([]byte, error) {
	k := keptProved{
		Format: keptFormat, Account: v.account, Kind: v.credential.Kind, ID: v.credential.ID, Code: v.credential.Code,
		Factor: v.factor, At: v.at, NextPassword: v.nextPassword, NextFactor: v.nextFactor, DropsFactor: v.dropsFactor,
	}
	if v.certificate != nil {
		k.Certificate = v.certificate.Marshal()
	}
	return json.Marshal(k)
}

// UnmarshalJSON reads what MarshalJSON wrote; state.ErrNewer where a newer program
// did. It proves nothing by itself: Present judges it.
func (v *Proved) UnmarshalJSON(text []byte) error {
	var k keptProved
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read a proof: %w", err)
	}
	if k.Format != keptFormat {
		return fmt.Errorf("read a proof: %w: format %d", state.ErrNewer, k.Format)
	}
	*v = Proved{
		account: k.Account, credential: policy.Credential{ID: k.ID, Kind: k.Kind, Code: k.Code, Proved: true},
		factor: k.Factor, at: k.At, nextPassword: k.NextPassword, nextFactor: k.NextFactor, dropsFactor: k.DropsFactor,
	}
	if len(k.Certificate) == 0 {
		return nil
	}
	key, err := ssh.ParsePublicKey(k.Certificate)
	if err != nil {
		return fmt.Errorf("read the certificate of a proof: %w", err)
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return fmt.Errorf("read the certificate of a proof: it is a %s", key.Type())
	}
	v.certificate = certificate
	return nil
}
