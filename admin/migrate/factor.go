package migrate

import "gatehouse/admin/document"

// totp is a second factor. Its secret is sealed under a key of the old server,
// which no dump has, unless it was written into the dump as it is.
type totp struct {
	Enabled bool   `json:"enabled"`
	Config  string `json:"config_name"`
	Secret  struct {
		Status  string `json:"status"`
		Payload string `json:"payload"`
	} `json:"secret"`
}

// What can be read of a second factor: a secret in the clear, of codes as every
// app makes them, which is what the configuration that comes with the server says.
const (
	plainSecret = "Plain"
	usualConfig = "Default"
)

// factor takes over a second factor, or has the account enrol anew.
func (c *converter) factor(x *document.DocumentAccount, f totp) {
	if !f.Enabled {
		return
	}
	x.SecondFactor = "required"
	switch {
	case f.Secret.Status != plainSecret || f.Secret.Payload == "":
		c.remark("account", x.Username, "its second factor is sealed by the old server and cannot be read here: it must enrol again before a password opens a door")
	case f.Config != "" && f.Config != usualConfig:
		c.remark("account", x.Username, "its second factor follows the configuration %q, whose codes may be others: it must enrol again before a password opens a door", f.Config)
	default:
		if x.Secrets == nil {
			x.Secrets = &document.DocumentSecrets{}
		}
		x.Secrets.TOTPSecret = f.Secret.Payload
		c.remark("account", x.Username, "its second factor goes on, for every door: FTP and WebDAV want an app password; its recovery codes are left out, and are made anew at /account/")
	}
}
