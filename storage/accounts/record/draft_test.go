package record

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/field"
)

// A clone is set up as its source is, and is nobody's heir: every field that is
// not named here stays empty.
func TestCloneCarriesWhatTheRulesSay(t *testing.T) {
	var source Account
	full(reflect.ValueOf(&source).Elem())
	source.Home = path.MustParse("/home/alice")
	root := path.MustParse("/home/alice/www")
	source.Root = &root
	source.Roots = map[policy.Door]path.Path{policy.FTP: path.MustParse("/home/alice"), policy.WebDAV: path.MustParse("/shared")}
	source.Grants = []policy.Grant{
		{ID: "1", Path: path.MustParse("/home/alice"), Permissions: policy.ReadOnly},
		{ID: "2", Path: path.MustParse("/home/alice/secret"), Permissions: policy.Full},
		{ID: "3", Path: path.MustParse("/home/alicette"), Permissions: policy.Full},
		{ID: "4", Path: path.MustParse("/shared"), Permissions: policy.ReadOnly, Recursive: true, At: "shared"},
	}
	clone, err := CloneOf(source, "Bob")
	if err != nil {
		t.Fatal(err)
	}
	carried := map[string]bool{
		"Name": true, "Home": true, "Root": true, "Roots": true, "Groups": true, "Grants": true, "Protocols": true,
		"PlainFTP": true, "AllowedIPs": true, "Bypass": true, "Quota": true, "Limits": true, "Uploads": true,
	}
	v := reflect.ValueOf(clone.Account)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() == carried[name] {
			t.Errorf("%s: carried %v, want %v", name, !v.Field(i).IsZero(), carried[name])
		}
	}
	clone.Account = policy.Account{}
	if !reflect.ValueOf(clone).IsZero() {
		t.Errorf("it inherits %+v", clone)
	}
	clone, _ = CloneOf(source, "Bob")
	if clone.Home.String() != "/home/bob" || clone.Root.String() != "/home/bob/www" ||
		clone.Roots[policy.FTP].String() != "/home/bob" || clone.Roots[policy.WebDAV].String() != "/shared" {
		t.Errorf("got home %s, root %s, roots %v", clone.Home, clone.Root, clone.Roots)
	}
	if len(clone.Grants) != 2 || clone.Grants[0].Path.String() != "/home/alicette" || clone.Grants[1].At != "shared" || clone.Grants[1].ID == "4" {
		t.Errorf("got grants %+v", clone.Grants)
	}
	clone.AllowedIPs[0] = netip.MustParsePrefix("198.51.100.0/24")
	*clone.Quota.Bytes = 1
	if source.AllowedIPs[0] == clone.AllowedIPs[0] || *source.Quota.Bytes == 1 {
		t.Error("the clone shares memory with its source")
	}
	var invalid *field.Error
	if _, err := CloneOf(source, "a/b"); !errors.As(err, &invalid) || invalid.Field != "username" {
		t.Errorf("got %v, want a refusal of the username", err)
	}
}
