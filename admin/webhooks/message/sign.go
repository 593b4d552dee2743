package message

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// secretPrefix marks a secret of Standard Webhooks; base64 follows.
const secretPrefix = "whsec_"

// NewSecret makes a secret at random.
func NewSecret() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// SecretText is a secret as it is shown, once.
func SecretText(secret []byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// A Signed is a message with its headers.
type Signed struct {
	ID        string // webhook-id: the same for every try
	Time      time.Time
	Signature string
	Body      []byte
}

// Sign signs a message with each of the secrets (Standard Webhooks, "v1": HMAC-
// SHA256 of id, time and body), so that a receiver may know either.
func Sign(id string, at time.Time, body []byte, secrets [][]byte) Signed {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return Signed{ID: id, Time: at, Body: body, Signature: strings.Join(signatures, " ")}
}
