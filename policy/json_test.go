package policy_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	_ "time/tzdata"

	"gatehouse/policy"
)

func TestPermissionsAsNames(t *testing.T) {
	tests := []struct {
		p           policy.Permissions
		json, short string
	}{
		{policy.Full, `["list","read","create","write","delete","share"]`, "full"},
		{policy.ReadOnly, `["list","read"]`, "read-only"},
		{policy.UploadOnly, `["create"]`, "upload-only"},
		{policy.Write | policy.Delete, `["write","delete"]`, "write,delete"},
		{0, `[]`, "none"},
	}
	for _, tt := range tests {
		b, err := json.Marshal(tt.p)
		if err != nil || string(b) != tt.json || tt.p.String() != tt.short {
			t.Errorf("%d: %s, %q, %v", tt.p, b, tt.p, err)
		}
		var back policy.Permissions
		if err := json.Unmarshal(b, &back); err != nil || back != tt.p {
			t.Errorf("%s was read as %d, %v", b, back, err)
		}
	}
	for _, s := range []string{`["admin"]`, `["List"]`, `63`, `"full"`, `[""]`, `[1]`, `{}`} {
		var p policy.Permissions
		if err := json.Unmarshal([]byte(s), &p); err == nil {
			t.Errorf("%s was read as %s", s, p)
		}
	}
	if b, err := json.Marshal(policy.Permissions(1 << 7)); err == nil {
		t.Errorf("a bit that is no permission was written as %s", b)
	}
}

func TestPreset(t *testing.T) {
	for name, want := range map[string]policy.Permissions{"full": policy.Full, "read-only": policy.ReadOnly, "upload-only": policy.UploadOnly} {
		if got, err := policy.Preset(name); err != nil || got != want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if p, err := policy.Preset("everything"); err == nil {
		t.Errorf("a preset that is none: %s", p)
	}
}

func TestWriteIncludesCreate(t *testing.T) {
	if !policy.Write.Has(policy.Create) || policy.Create.Has(policy.Write) {
		t.Error("write includes create, and not the other way round")
	}
}

// A date means: access through that day, blocked at the midnight that ends it,
// there; also where that midnight is skipped or comes twice.
func TestExpiryEndsTheDay(t *testing.T) {
	tests := []struct{ date, zone, want string }{
		{"2026-06-30", "UTC", "2026-07-01T00:00:00Z"},
		{"2026-06-30", "Europe/Berlin", "2026-06-30T22:00:00Z"},
		{"2026-12-31", "Europe/Berlin", "2026-12-31T23:00:00Z"},
		{"2026-03-29", "Europe/Berlin", "2026-03-29T22:00:00Z"}, // the day has 23 hours
		{"2026-10-25", "Europe/Berlin", "2026-10-25T23:00:00Z"}, // the day has 25 hours
		{"2026-06-30", "America/Los_Angeles", "2026-07-01T07:00:00Z"},
		{"2026-06-30", "Pacific/Kiritimati", "2026-06-30T10:00:00Z"},
		{"2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00:00Z"}, // 00:00 is skipped: 23:59 -> 01:00
		{"2018-02-17", "America/Sao_Paulo", "2018-02-18T03:00:00Z"}, // 23:00 comes twice
		{"2023-10-28", "Atlantic/Azores", "2023-10-29T00:00:00Z"},   // 00:00 comes twice: the first ends the day
		{"2010-11-06", "America/St_Johns", "2010-11-07T03:30:00Z"},  // 00:01 -> 23:01: the day comes back
		{"2011-12-29", "Pacific/Apia", "2011-12-30T10:00:00Z"},      // the next day does not exist
		{"2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z"},      // nor does this one
		{"2024-02-29", "UTC", "2024-03-01T00:00:00Z"},
		{"9998-12-31", "UTC", "9999-01-01T00:00:00Z"},
	}
	for _, tt := range tests {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := policy.ParseExpiry(tt.date, zone)
		if err != nil || got.Instant.Format(time.RFC3339) != tt.want || got.Date != tt.date || got.Zone != tt.zone {
			t.Errorf("%s in %s: %+v, %v, want %s", tt.date, tt.zone, got, err, tt.want)
			continue
		}
		last := got.Instant.Add(-1).In(zone).Format(time.DateOnly)
		if first := got.Instant.In(zone).Format(time.DateOnly); last > tt.date || first <= tt.date {
			t.Errorf("%s in %s: ends between %s and %s", tt.date, tt.zone, last, first)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	got, err := policy.ParseExpiry("2026-06-30T12:00:00+02:00", time.UTC)
	want := policy.Expiry{Instant: time.Date(2026, 6, 30, 10, 0, 0, 0, time.UTC)}
	if err != nil || got != want {
		t.Errorf("an instant: %+v, %v", got, err)
	}
	for _, s := range []string{"", "tomorrow", "2026-02-30", "2026-13-01", "30.06.2026", "2026-6-3", "2026-06-30 ", "-2026-01-01",
		"9999-12-31", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"} {
		if x, err := policy.ParseExpiry(s, time.UTC); err == nil {
			t.Errorf("%q was read as %+v", s, x)
		}
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add("2018-11-03", "America/Sao_Paulo")
	f.Add("2026-06-30T12:00:00Z", "UTC")
	f.Add("2011-12-30", "Pacific/Apia")
	f.Fuzz(func(t *testing.T, s, name string) {
		zone, err := time.LoadLocation(name)
		if err != nil {
			return
		}
		x, err := policy.ParseExpiry(s, zone)
		if err != nil {
			return
		}
		again, err := x.Resolve(zone)
		if err != nil || again != x {
			t.Fatalf("%+v resolves to %+v, %v", x, again, err)
		}
		if x.Date == "" {
			return
		}
		if before := x.Instant.Add(-1).In(zone).Format(time.DateOnly); before > x.Date {
			t.Fatalf("%s in %s goes on to %s", s, name, before)
		}
	})
}

func FuzzGrantJSON(f *testing.F) {
	f.Add(`{"id":"1","path":"/a","permissions":["list"],"recursive":true,"at":"x"}`)
	f.Add(`{"path":"/a/../b","permissions":["write","write"]}`)
	f.Add(`{"path":"","permissions":null}`)
	f.Fuzz(func(t *testing.T, s string) {
		var g policy.Grant
		if json.Unmarshal([]byte(s), &g) != nil {
			return
		}
		b, err := json.Marshal(g)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", g, err)
		}
		var back policy.Grant
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s cannot be read: %v", b, err)
		}
		if g.Validate() == nil && !reflect.DeepEqual(back, g) {
			t.Fatalf("%+v became %+v", g, back)
		}
		e := resolve(g)
		target := policy.Target{Path: g.Path, Folder: true}
		if g.Validate() == nil && !e.Decide(policy.OpStat, target).Allowed {
			t.Fatalf("%+v does not show its own folder", g)
		}
	})
}

// Whatever list of addresses is taken means the same when it is read again.
func FuzzPrefixes(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "::ffff:192.0.2.0/120", "2001:db8::/32", "fe80::1%eth0", "0.0.0.0/0", " 10.0.0.1/33"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := policy.ParsePrefixes([]string{s})
		if err != nil {
			return
		}
		again, err := policy.ParsePrefixes([]string{list[0].String()})
		if err != nil || again[0] != list[0] || list[0] != list[0].Masked() || list[0].Addr().Is4In6() {
			t.Errorf("%q is %s, then %v, %v", s, list[0], again, err)
		}
	})
}
