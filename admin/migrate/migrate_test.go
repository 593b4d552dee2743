package migrate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gatehouse/admin/document"
	"gatehouse/policy"
)

const crypted = "$6$saltsaltsalt$bAnMnzWcQ0sGxEVI9IHm0gZVOUPOx3fuBVPVeg2d2Zl9PykbjMZEAaTGyN9UzqNXzkkzb5PXXPM3mvDLrmR7N1"

func remarked(i *Import, name, what string) bool {
	return slices.ContainsFunc(i.Remarks, func(r Remark) bool { return r.Name == name && strings.Contains(r.What, what) })
}

func account(t *testing.T, i *Import, name string) document.DocumentAccount {
	t.Helper()
	at := slices.IndexFunc(i.Document.Accounts, func(x document.DocumentAccount) bool { return x.Username == name })
	if at < 0 {
		t.Fatalf("%s was not imported: %+v", name, i.Remarks)
	}
	return i.Document.Accounts[at]
}

func TestShadow(t *testing.T) {
	i, err := Shadow(strings.NewReader(`# a comment
root:*:19000:0:99999:7:::
nobody::19000:0:99999:7:::
anna:`+crypted+`:19000:0:90:7::19100:
late:`+crypted+`:0:0:99999:7:::
locked:!`+crypted+`:19000:0:99999:7:::
des:rqXexS6ZhobKA:19000:0:99999:7:::
bsdi:_J9..rasmBYk8r9AiWNc:19000:0:99999:7:::
anna:`+crypted+`:1:0:99999:7:::
short:`+crypted+`
`), Options{AdoptHomes: true})
	if err != nil {
		t.Fatal(err)
	}
	anna := account(t, i, "anna")
	if anna.Secrets.Password.Hash != crypted || *anna.PasswordMaxAge != 90 || *anna.Expires != "2022-04-18T00:00:00Z" || !anna.AdoptHome {
		t.Errorf("%+v", anna)
	}
	if got := anna.Secrets.Password.Changed.Format("2006-01-02"); got != "2022-01-08" {
		t.Errorf("changed %s", got)
	}
	if late := account(t, i, "late"); !late.Secrets.Password.MustChange || late.PasswordMaxAge != nil {
		t.Errorf("%+v", late)
	}
	if locked := account(t, i, "locked"); !locked.Disabled || locked.Secrets.Password.Hash != crypted {
		t.Errorf("%+v", locked)
	}
	if des := account(t, i, "des"); des.Secrets == nil || des.Secrets.Password.Hash != "rqXexS6ZhobKA" {
		t.Errorf("%+v", des)
	}
	if bsdi := account(t, i, "bsdi"); bsdi.Secrets != nil || !remarked(i, "bsdi", "cannot be verified") {
		t.Errorf("%+v", bsdi)
	}
	account(t, i, "short")
	if !remarked(i, "root", "left out") || !remarked(i, "nobody", "left out") || !remarked(i, "anna", "twice") || len(i.Document.Accounts) != 6 {
		t.Errorf("%+v", i.Remarks)
	}
	if _, err := Shadow(strings.NewReader("no colon here\n"), Options{}); err == nil {
		t.Error("any text is taken")
	}
}

func TestHtpasswd(t *testing.T) {
	i, err := Htpasswd(strings.NewReader("web:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\r\n\n"), Options{})
	if err != nil || account(t, i, "web").Secrets.Password.Hash != "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" {
		t.Errorf("%+v, %v", i, err)
	}
}

const someDump = `{
 "folders":[{"name":"shared","mapped_path":"/srv/data/shared"},{"name":"cloud","mapped_path":"","filesystem":{"provider":1}}],
 "groups":[{"name":"staff","user_settings":{"home_dir":"/srv/data/%username%","max_sessions":2,"upload_bandwidth":4,"quota_size":100,
   "filters":{"denied_protocols":["FTP"]}},"virtual_folders":[{"name":"shared","virtual_path":"/shared"}]}],
 "api_keys":[{"id":"a"},{"id":"b"}],
 "users":[
  {"username":"full","status":1,"email":"f@example.org","expiration_date":1893456000000,"home_dir":"/srv/data/full","uid":1000,"gid":1001,
   "permissions":{"/":["*"],"/secret":["list"]},"quota_size":1000,"quota_files":5,"max_sessions":3,"download_bandwidth":2,
   "filters":{"allowed_ip":["192.0.2.0/24"],"denied_ip":["192.0.2.9/32"],"denied_protocols":["FTP","HTTP"],"max_upload_file_size":77,
     "file_patterns":[{}],"totp_config":{"enabled":true},"require_password_change":true,"password_expiration":30},
   "password":"$6$saltsaltsalt$bAnMnzWcQ0sGxEVI9IHm0gZVOUPOx3fuBVPVeg2d2Zl9PykbjMZEAaTGyN9UzqNXzkkzb5PXXPM3mvDLrmR7N1",
   "public_keys":["ssh-ed25519 AAAA x\n"],"virtual_folders":[{"name":"shared","virtual_path":"/deep/shared","quota_size":9},{"name":"cloud","virtual_path":"/cloud"}]},
  {"username":"reader","status":0,"home_dir":"/srv/data/reader","permissions":{"/":["list","download"],"/in":["list","download","upload","create_dirs"],"/half":["list","download","delete_files"]},"quota_size":10},
  {"username":"keys","home_dir":"/elsewhere/keys","permissions":{"/":["*"]},"filters":{"denied_login_methods":["password","publickey-password"]},"password":"x"},
  {"username":"nokeys","home_dir":"","groups":[{"name":"staff","type":1}],"public_keys":["ssh-ed25519 AAAA"],"filters":{"denied_login_methods":["publickey"]}},
  {"username":"s3","home_dir":"/srv/data/s3","filesystem":{"provider":1},"permissions":{"/":["*"]}}
 ]}`

func TestSFTPGo(t *testing.T) {
	i, err := SFTPGo(strings.NewReader(someDump), Options{Folders: []Folder{{"/srv/data", "/old"}}, AdoptHomes: true})
	if err != nil {
		t.Fatal(err)
	}
	full := account(t, i, "full")
	if full.Home != "/old/full" || !full.AdoptHome || *full.Expires != "2030-01-01T00:00:00Z" || *full.UID != 1000 || *full.GID != 1001 {
		t.Errorf("%+v", full)
	}
	if strings.Join(*full.Protocols, " ") != "sftp webdav" || full.AllowedIPs[0] != "192.0.2.0/24" || *full.Quota.LimitBytes != 1000 || *full.Quota.LimitFiles != 5 {
		t.Errorf("%+v", full)
	}
	if l := full.Limits; l.Sessions != 3 || l.DownloadRate != 2048 || l.LargestUpload != 77 {
		t.Errorf("%+v", l)
	}
	if p := full.Secrets.Password; p.Hash != crypted || !p.MustChange || *full.PasswordMaxAge != 30 || full.SecondFactor != "required" || len(full.Keys) != 1 {
		t.Errorf("%+v", full)
	}
	if len(full.Grants) != 1 || full.Grants[0].Path != "/old/shared" || full.Grants[0].At != "shared" || full.Grants[0].Preset != "full" {
		t.Errorf("%+v", full.Grants)
	}
	for _, what := range []string{"fewer rights in /secret", "denied addresses", "file patterns", "second factor", "appears as /shared", "/cloud is not on a local disk"} {
		if !remarked(i, "full", what) {
			t.Errorf("nothing is said about %s: %+v", what, i.Remarks)
		}
	}
	reader := account(t, i, "reader")
	if !reader.Disabled || reader.Home != "" || *reader.Root != "/old/reader" || reader.AdoptHome || reader.Quota != nil {
		t.Errorf("%+v", reader)
	}
	if len(reader.Grants) != 2 || reader.Grants[0].Preset != "read-only" || strings.Join(reader.Grants[1].Permissions, " ") != "list read create" {
		t.Errorf("a reader gets %+v", reader.Grants)
	}
	if !remarked(i, "reader", "files but not for folders") || quotaOn(i, "/old/reader") != "10 bytes" {
		t.Errorf("%+v", i.Remarks)
	}
	if keys := account(t, i, "keys"); keys.Secrets != nil || keys.Home != "" || !remarked(i, "keys", "password, which is left out") || !remarked(i, "keys", "--map") {
		t.Errorf("%+v %+v", keys, i.Remarks)
	}
	if nokeys := account(t, i, "nokeys"); nokeys.Keys != nil || nokeys.Home != "/old/nokeys" || nokeys.Groups[0] != "staff" {
		t.Errorf("%+v", nokeys)
	}
	if s3 := account(t, i, "s3"); s3.Home != "" || !remarked(i, "s3", "not on a local disk") {
		t.Errorf("%+v", s3)
	}
	// The group has no limit there, and would be bounded by its member's.
	if quotaOn(i, "/old/shared") != "" || !remarked(i, "/old/shared", "the group staff had none there") {
		t.Errorf("%+v %+v", i.Document.Quotas, i.Remarks)
	}
	staff := i.Document.Groups[0]
	if staff.Limits.Sessions != 2 || staff.Limits.UploadRate != 4096 || *staff.Quota.LimitBytes != 100 || len(staff.Grants) != 1 || staff.Grants[0].At != "shared" {
		t.Errorf("%+v", staff)
	}
	if !remarked(i, "staff", "set them on the accounts") || !remarked(i, "", "2 records of the kind api_keys") {
		t.Errorf("%+v", i.Remarks)
	}
}

// An import never gives more than there was.
func TestPermissionsAreNotWidened(t *testing.T) {
	for names, want := range map[string]policy.Permissions{
		"*": policy.Full, "list": policy.List, "list download": policy.ReadOnly, "upload": policy.Create,
		"list download upload chmod chtimes": policy.ReadOnly | policy.Create, "rename": 0, "delete_files": 0,
		"delete_files delete_dirs": policy.Delete, "list download upload overwrite delete": policy.Full &^ policy.Share,
		"list download upload overwrite delete create_dirs rename": policy.Full, "unheard": 0,
	} {
		if got := permissionsOf(strings.Fields(names)); got != want {
			t.Errorf("%s: got %v, want %v", names, got, want)
		}
	}
}

func TestFolders(t *testing.T) {
	o := Options{Folders: []Folder{{"/srv", "/s"}, {"/srv/data", "/d"}, {"/", "/all"}}}
	for disk, want := range map[string]string{"/srv/data/x": "/d/x", "/srv/data": "/d", "/srv/database": "/s/database", "/etc/../srv/x": "/s/x", "/x": "/all/x"} {
		if got, ok := o.tree(disk); !ok || got != want {
			t.Errorf("%s is at %s, want %s", disk, got, want)
		}
	}
	if _, ok := (Options{Folders: []Folder{{"/srv", "/s"}}}).tree("/srvx"); ok {
		t.Error("/srvx is in /srv")
	}
	for _, bad := range []string{"", "=", "/a", "a=/b", "/a=b"} {
		if _, err := ParseFolder(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzSFTPGo(f *testing.F) {
	f.Add(someDump)
	f.Fuzz(func(t *testing.T, text string) {
		i, err := SFTPGo(strings.NewReader(text), Options{Folders: []Folder{{"/srv", "/s"}}})
		if err != nil {
			return
		}
		if _, err := json.Marshal(i.Document); err != nil {
			t.Error(err)
		}
	})
}
