package server

import (
	"testing"

	"gatehouse/configs"
)

// Somebody with accounts at several gateways must find each in the app.
func TestAuthenticatorAppsShowTheOutsideName(t *testing.T) {
	for siteURL, want := range map[string]string{
		"https://files.example.org": "files.example.org", "https://files.example.org:8443/": "files.example.org", "": "",
	} {
		if got := outsideName(&configs.Loaded{Config: configs.Config{SiteURL: siteURL}}); got != want {
			t.Errorf("%q: got %q, want %q", siteURL, got, want)
		}
	}
}
