package policy

// Values of the site policy that are words.
const (
	LockoutPasswords     = "passwords"
	LockoutAll           = "all"
	SecondFactorOptional = "optional"
	SecondFactorRequired = "required"
	NamesAny             = "any"
	AuditRefuse          = "refuse"
	AuditContinue        = "continue"
)

// DefaultSite is the policy of an installation where nothing was set yet.
func DefaultSite() Site {
	return Site{
		Doors:        Doors(),
		PlainFTP:     Deny,
		Lockout:      Lockout{Failures: 10, Period: "15m", Scope: LockoutPasswords},
		Ban:          Ban{Failures: 30, Period: "30m"},
		Password:     PasswordRule{MinLength: 8},
		SecondFactor: SecondFactorOptional,
		SelfService:  SelfService{Profile: true, Email: true, Password: true, Keys: true},
		Uploads:      InPlace,
		Symlinks:     Deny,
		Names:        NamesAny,
		TimeZone:     "UTC",
		Language:     "en",
		Audit:        Audit{KeepDays: 365, OnFailure: AuditRefuse},
	}
}
