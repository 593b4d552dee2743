package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"time"

	"gatehouse/storage/accounts"
)

// The parameters of one-time codes (RFC 6238), which every authenticator app
// knows: HMAC-SHA-1, 6 digits, 30 seconds.
const (
	digits     = 6
	stepSize   = 30 // seconds
	secretSize = 20 // bytes: what RFC 4226, section 4, recommends
)

// ErrWrongCode says that a code does not confirm an enrolment.
var ErrWrongCode = errors.New("the code is wrong, or used before")

// An Enrolment is a second factor that one code has yet to confirm. It is shown
// to its account once.
type Enrolment struct {
	Secret string // base32, for typing
	URI    string // otpauth, for a QR image
}

// Format leaves the secret out, whatever the verb.
func (e Enrolment) Format(f fmt.State, _ rune) { fmt.Fprint(f, "an enrolment") }

// codeAt is the code of a time step (RFC 4226, section 5.3).
func codeAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%06d", number%1_000_000)
}

func stepAt(at time.Time) int64 { return max(at.Unix(), stepSize) / stepSize }

// matchStep finds the step that a code is of: the present one, or one either
// side, for clocks that differ. Which of them, or none, takes no time to tell.
func matchStep(secret []byte, code string, at time.Time) (int64, bool) {
	var found int64
	now := stepAt(at)
	for _, step := range []int64{now - 1, now, now + 1} {
		if subtle.ConstantTimeCompare([]byte(codeAt(secret, step)), []byte(code)) == 1 {
			found = step
		}
	}
	return found, found != 0
}

// NewTOTP gives an account a second factor that counts once ConfirmTOTP has seen
// one of its codes. One that counts already is refused, unless it cannot be
// opened any more.
func (z *Authenticator) NewTOTP(ctx context.Context, a accounts.Account) (Enrolment, error) {
	if a.HasCode() && !z.opensFactor(a) {
		if _, err := z.accounts.RemoveTOTP(ctx, a.Name, 0, accounts.Guarded); err != nil {
			return Enrolment{}, fmt.Errorf("drop a second factor that cannot be opened: %w", err)
		}
	}
	secret, id := random(secretSize), accounts.NewTOTPID()
	sealed := z.sealer.Seal(sealedFor(a.ID, id), secret)
	if _, err := z.accounts.EnrolTOTP(ctx, a.Name, id, sealed, accounts.Guarded); err != nil {
		return Enrolment{}, err
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	return Enrolment{Secret: text, URI: z.uri(a.Name, text)}, nil
}

// uri is what authenticator apps read from a QR image.
func (z *Authenticator) uri(account, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {z.issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + z.issuer + ":" + account, RawQuery: q.Encode()}
	return u.String()
}

// ConfirmTOTP makes an enrolment count, by a code that is used up by it, and
// returns the account's recovery codes, which are shown once; ErrWrongCode.
func (z *Authenticator) ConfirmTOTP(ctx context.Context, a accounts.Account, code string) ([]string, accounts.Account, error) {
	if a.TOTP == nil || a.TOTP.Confirmed {
		return nil, a, accounts.ErrNotFound
	}
	secret, err := z.openFactor(a)
	if err != nil {
		return nil, a, fmt.Errorf("open the second factor: %w", err)
	}
	step, ok := matchStep(secret, code, time.Now())
	if !ok {
		return nil, a, ErrWrongCode
	}
	switch ok, err := used(z.accounts.UseCode(ctx, a.ID, a.TOTP.ID, step)); {
	case err != nil:
		return nil, a, err
	case !ok:
		return nil, a, ErrWrongCode
	}
	return z.accounts.ConfirmTOTP(ctx, a.Name, a.TOTP.ID, accounts.Guarded)
}
