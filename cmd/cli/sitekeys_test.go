package cli

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy"
)

// leaves lists the keys of a type as its JSON has them.
func leaves(t reflect.Type, prefix string) []string {
	var list []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Type.Kind() == reflect.Struct {
			list = append(list, leaves(f.Type, prefix+name+".")...)
			continue
		}
		list = append(list, prefix+name)
	}
	return list
}

// Each key of the site policy can be set, and says what it means.
func TestSiteKeys(t *testing.T) {
	var have []string
	for _, k := range siteKeys {
		have = append(have, k.name)
		if k.meaning == "" {
			t.Errorf("%s has no meaning", k.name)
		}
	}
	want := leaves(reflect.TypeFor[policy.Site](), "")
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("got  %v\nwant %v", have, want)
	}
}

// What show prints set takes, and a limit that nobody has set can be.
func TestSiteSetTakesWhatShowPrints(t *testing.T) {
	site := defaultSite()
	site["allowed_ips"] = []any{"127.0.0.0/8", "192.0.2.1/32"}
	for _, k := range siteKeys {
		value, err := k.value(k.in(site))
		if err != nil {
			t.Errorf("%s=%s: %v", k.name, k.in(site), err)
		}
		body := map[string]any{}
		if err := siteChange(body, k.name+"="+k.in(site)); err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
		text, _ := json.Marshal(body)
		var back map[string]any
		_ = json.Unmarshal(text, &back)
		if k.in(back) != k.in(site) {
			t.Errorf("%s is shown as %q and set to %v", k.name, k.in(site), value)
		}
	}
	body := map[string]any{}
	for _, arg := range []string{"limits.sessions=3", "limits.upload_rate=1MiB", "allowed_ips=10.0.0.0/8,::1", "lock_profiles=true", "lockout.failures="} {
		if err := siteChange(body, arg); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]any{
		"limits":        map[string]any{"sessions": int64(3), "upload_rate": int64(1 << 20)},
		"allowed_ips":   []string{"10.0.0.0/8", "::1"},
		"lock_profiles": true, "lockout": map[string]any{"failures": nil},
	}
	if !maps.EqualFunc(body, want, func(a, b any) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("got %v, want %v", body, want)
	}
}

// Who gives the file that has the key, as sshd takes it, is told what to give.
func TestSiteSetTakesTheKeyOfAnAuthorityItself(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN18p7yv8uaZMxKsB62OUpt4vckiKECeqrYlmWnnQu0s ca"
	for value, good := range map[string]bool{key: true, key + "," + key: true, "": true, "ca.pub": false, key + ",/etc/ssh/ca.pub": false} {
		err := siteChange(map[string]any{}, "ssh_user_cas="+value)
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "$(cat ca.pub)") {
			t.Errorf("%q: %v", value, err)
		}
	}
}
