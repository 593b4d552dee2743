package self

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/pages"
	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerOwnFactor(api huma.API) {
	huma.Register(api, rest.Operation("own-totp", http.MethodGet, "/me/totp", "How it stands with one's second factor", rest.Self), a.ownFactor)
	huma.Register(api, rest.Operation("begin-totp", http.MethodPost, "/me/totp", "Begin a second factor: a secret that one code confirms", rest.Self), a.beginFactor)
	huma.Register(api, rest.Operation("confirm-totp", http.MethodPost, "/me/totp/confirm", "Confirm it with a code; the answer has the recovery codes", rest.Self), a.confirmFactor)
	huma.Register(api, rest.Operation("remove-totp", http.MethodDelete, "/me/totp", "Turn the second factor off", rest.Fresh), a.removeFactor)
	huma.Register(api, rest.Operation("own-recovery-codes", http.MethodGet, "/me/recovery-codes", "How many recovery codes are left", rest.Own), a.ownRecoveryCodes)
	huma.Register(api, rest.Operation("new-recovery-codes", http.MethodPost, "/me/recovery-codes", "New recovery codes in the place of the old", rest.Fresh), a.newRecoveryCodes)
}

// FactorView is how it stands with a second factor.
type FactorView struct {
	Enrolled bool       `json:"enrolled"`
	Since    *time.Time `json:"since,omitempty"`
	Required bool       `json:"required"`
	Left     int        `json:"recovery_codes_left"`
}

func factorView(x accounts.Account, e policy.Effective) *FactorView {
	v := FactorView{Enrolled: x.HasCode(), Required: e.CodeRequired()}
	if v.Enrolled {
		v.Since, v.Left = &x.TOTP.Added, len(x.TOTP.Recovery)
	}
	return &v
}

func (a *API) ownFactor(ctx context.Context, _ *rest.Nothing) (*rest.Body[FactorView], error) {
	x, e, err := a.ownEffective(ctx)
	if err != nil {
		return nil, err
	}
	return &rest.Body[FactorView]{Body: *factorView(x, e)}, nil
}

// EnrolmentView is a second factor that waits for its first code.
type EnrolmentView struct {
	Secret string `json:"secret" doc:"base32, for typing"`
	URI    string `json:"uri" doc:"otpauth://..."`
	SVG    string `json:"qr_svg"`
	PNG    []byte `json:"qr_png" doc:"base64"`
}

func (a *API) beginFactor(ctx context.Context, _ *rest.Nothing) (*rest.Body[EnrolmentView], error) {
	e, err := a.beginOwnFactor(ctx)
	if err != nil {
		return nil, err
	}
	code, err := pages.QR(e.URI)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[EnrolmentView]{Body: EnrolmentView{e.Secret, e.URI, code.SVG(), code.PNG()}}, nil
}

// beginOwnFactor makes a secret for who has proved the account a moment ago, also
// where that must be done before anything else.
func (a *API) beginOwnFactor(ctx context.Context) (auth.Enrolment, error) {
	if err := a.ownFactorAllowed(ctx); err != nil {
		return auth.Enrolment{}, err
	}
	e, err := a.SelfService.BeginTOTP(ctx, rest.CallerOf(ctx).Session)
	return e, a.Problem(err)
}

// ownFactorAllowed refuses a shared account, whose code nobody else would have,
// and one whose password must be changed first.
func (a *API) ownFactorAllowed(ctx context.Context) error {
	c := rest.CallerOf(ctx)
	if err := c.Interactive(); err != nil {
		return err
	}
	if c.Session.MustChange() {
		return huma.NewError(http.StatusForbidden, "the password must be changed first: PUT /me/password")
	}
	if err := c.Fresh(); err != nil {
		return err
	}
	x, _, err := a.own(ctx)
	if err != nil {
		return err
	}
	if x.Shared {
		return huma.NewError(http.StatusForbidden, "a shared account has no second factor of its own")
	}
	return nil
}

type codeInput struct {
	Body struct {
		Code string `json:"code" maxLength:"64"`
	}
}

// RecoveryCodes are shown once.
type RecoveryCodes struct {
	Codes []string `json:"recovery_codes"`
}

type recoveryOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      RecoveryCodes
}

// confirmFactor gives the login a new id: it is worth more than before. The codes
// are shown all the same where that fails, since they are shown once.
func (a *API) confirmFactor(ctx context.Context, in *codeInput) (*recoveryOutput, error) {
	codes, err := a.confirmOwnFactor(ctx, in.Body.Code)
	if err != nil {
		return nil, err
	}
	cookie, _ := a.newCookie(ctx, rest.CallerOf(ctx))
	return &recoveryOutput{cookie, RecoveryCodes{codes}}, nil
}

func (a *API) confirmOwnFactor(ctx context.Context, code string) ([]string, error) {
	c := rest.CallerOf(ctx)
	if err := a.ownFactorAllowed(ctx); err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, "account.totp.enrol", c.Name); err != nil {
		return nil, err
	}
	codes, err := a.SelfService.ConfirmTOTP(ctx, c.Session, code)
	if err != nil {
		return nil, a.Problem(err)
	}
	return codes, a.Problem(a.Record(ctx, "account.totp.enrol", c.Name, nil, map[string]any{"totp": "set", "recovery_codes": len(codes)}))
}

// removeFactor ends the other logins that the factor has proved. This one gets a
// new id: it is proved by something else than before.
func (a *API) removeFactor(ctx context.Context, in *rest.MatchInput) (*cookieOutput, error) {
	x, e, err := a.ownEffective(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := rest.Expected(in.IfMatch, x.Revision)
	if err != nil {
		return nil, a.Problem(err)
	}
	if e.CodeRequired() {
		return nil, huma.NewError(http.StatusForbidden, "this account must have a second factor: an administrator resets it")
	}
	if !x.HasCode() {
		return nil, huma.NewError(http.StatusNotFound, "there is no second factor")
	}
	if err := a.Intend(ctx, "account.totp.remove", x.Name); err != nil {
		return nil, err
	}
	if err := a.SelfService.RemoveTOTP(ctx, rest.CallerOf(ctx).Session, revision); err != nil {
		return nil, a.Problem(err)
	}
	was, is := record.FactorChange(x.TOTP, nil)
	if err := a.Record(ctx, "account.totp.remove", x.Name, was, is); err != nil {
		return nil, a.Problem(err)
	}
	cookie, err := a.newCookie(ctx, rest.CallerOf(ctx))
	return &cookieOutput{cookie}, err
}

type leftView struct {
	Left int `json:"left"`
}

func (a *API) ownRecoveryCodes(ctx context.Context, _ *rest.Nothing) (*rest.Body[leftView], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	if !x.HasCode() {
		return &rest.Body[leftView]{}, nil
	}
	return &rest.Body[leftView]{Body: leftView{len(x.TOTP.Recovery)}}, nil
}

func (a *API) newRecoveryCodes(ctx context.Context, _ *rest.Nothing) (*rest.Body[RecoveryCodes], error) {
	codes, err := a.renewOwnCodes(ctx)
	if err != nil {
		return nil, err
	}
	return &rest.Body[RecoveryCodes]{Body: RecoveryCodes{codes}}, nil
}

func (a *API) renewOwnCodes(ctx context.Context) ([]string, error) {
	c := rest.CallerOf(ctx)
	if err := a.ownFactorAllowed(ctx); err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, "account.recovery-codes", c.Name); err != nil {
		return nil, err
	}
	codes, err := a.SelfService.NewRecoveryCodes(ctx, c.Session)
	if err != nil {
		return nil, a.Problem(err)
	}
	return codes, a.Problem(a.Record(ctx, "account.recovery-codes", c.Name, nil, map[string]any{"recovery_codes": len(codes)}))
}
