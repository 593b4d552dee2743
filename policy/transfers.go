package policy

// Uploads returns how uploads through door arrive. WebDAV, web and API are
// always Atomic; SFTP and FTP follow account, then site, and are InPlace by
// default.
func (e Effective) Uploads(door Door) Uploads {
	how, _ := e.get().uploads(door)
	return how
}

func (r *resolved) uploads(door Door) (Uploads, string) {
	switch {
	case door != SFTP && door != FTP:
		return Atomic, OriginDefault
	case r.account.Uploads != "":
		return r.account.Uploads, OriginAccount
	case r.site.Uploads != "":
		return r.site.Uploads, OriginSite
	}
	return InPlace, OriginDefault
}

// PlainFTP decides whether the account may use FTP without TLS.
func (e Effective) PlainFTP() Decision {
	got := e.get().plainFTP()
	return Decision{Allowed: got.allowed, Rule: RulePlainFTP, Because: got.because}
}

func (r *resolved) plainFTP() answer {
	switch r.account.PlainFTP {
	case Allow:
		return allow("the account's plain_ftp is allow")
	case Deny:
		return refuse("the account's plain_ftp is deny")
	}
	return answerOf(r.site.PlainFTP == Allow, "the site's plain_ftp is allow", "the site's plain_ftp is deny")
}
