package events

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrCheckpoint says that a checkpoint is damaged, or not of this installation.
var ErrCheckpoint = errors.New("this is no checkpoint of this installation")

// A Checkpoint says how far the chain of a node had come: the entry at Position
// had this sequence and MAC. Kept elsewhere, it shows a trail that was cut short
// or written anew.
type Checkpoint struct {
	Node     string    `json:"node"`
	Position uint64    `json:"position"`
	Sequence uint64    `json:"sequence"`
	MAC      mac       `json:"mac"`
	Time     time.Time `json:"time"`
	// Text is the checkpoint signed, as it goes into logs and to verify.
	Text string `json:"-"`
}

// What is signed begins with what it is, then the payload and the signature
// (Ed25519, over all before the last dot), each in base64url.
const (
	checkpointName = "gatehouse-checkpoint"
	anchorName     = "gatehouse-anchor"
)

var checkpointText = regexp.MustCompile(checkpointName + `\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

// FindCheckpoints returns the texts of checkpoints in a text such as a log.
func FindCheckpoints(text string) []string { return checkpointText.FindAllString(text, -1) }

// MarshalText writes a MAC as hexadecimal digits.
func (m mac) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, m[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (m *mac) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(m) {
		return errors.New("a MAC has 64 hexadecimal digits")
	}
	*m = mac(b)
	return nil
}

func (k *keys) sign(name string, v any) (string, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write a %s: %w", name, err)
	}
	text := name + "." + base64.RawURLEncoding.EncodeToString(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(text))), nil
}

// open reads what sign made, with this key or an older one.
func (k *keys) open(name, text string, v any) error {
	i := strings.LastIndexByte(text, '.')
	encoded, ok := strings.CutPrefix(text[:max(i, 0)], name+".")
	if !ok {
		return ErrCheckpoint
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	signature, err2 := base64.RawURLEncoding.DecodeString(text[i+1:])
	if err != nil || err2 != nil {
		return ErrCheckpoint
	}
	signed := func(key ed25519.PublicKey) bool { return ed25519.Verify(key, []byte(text[:i]), signature) }
	if !slices.ContainsFunc(k.public, signed) || json.Unmarshal(payload, v) != nil {
		return ErrCheckpoint
	}
	return nil
}

func (k *keys) checkpoint(node string, position uint64, at link, now time.Time) (Checkpoint, error) {
	c := Checkpoint{Node: node, Position: position, Sequence: at.Sequence, MAC: at.MAC, Time: now.Round(0).UTC()}
	var err error
	c.Text, err = k.sign(checkpointName, c)
	return c, err
}

func (k *keys) parseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	if err := k.open(checkpointName, strings.TrimSpace(text), &c); err != nil {
		return Checkpoint{}, err
	}
	c.Text = strings.TrimSpace(text)
	return c, nil
}

// PublicKey is what the signatures of checkpoints are verified with elsewhere.
func (l *Log) PublicKey() ed25519.PublicKey { return l.keys.public[0] }
