package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// totp is somebody's authenticator app: `totp FILE` reads the answer to an
// enrolment, and sets $CODE to the present code and $NEXT to the one after it.
func totp(ts *testscript.TestScript, _ bool, args []string) {
	var enrolment struct{ Secret string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &enrolment))
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(enrolment.Secret)
	ts.Check(err)
	step := uint64(time.Now().Unix() / 30)
	ts.Setenv("CODE", codeOf(secret, step))
	ts.Setenv("NEXT", codeOf(secret, step+1))
}

// codeOf is a one-time code (RFC 6238).
func codeOf(secret []byte, step uint64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}
