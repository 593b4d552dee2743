package redis

import (
	"crypto/tls"
	"errors"
	"reflect"
	"strings"
	"testing"

	"gatehouse/storage/state"
)

// asked is what a URL asks for.
type asked struct {
	servers                          []string
	user, password, master, sentinel string
	database                         int
	cluster, tls                     bool
}

func TestOptions(t *testing.T) {
	for text, want := range map[string]asked{
		"redis://localhost":                      {servers: []string{"localhost:6379"}},
		"redis://localhost/":                     {servers: []string{"localhost:6379"}},
		"redis://u:p%40ss@h:7000/3":              {servers: []string{"h:7000"}, user: "u", password: "p@ss", database: 3},
		"redis://:secret@h":                      {servers: []string{"h:6379"}, password: "secret"},
		"rediss://h":                             {servers: []string{"h:6379"}, tls: true},
		"redis://[::1]":                          {servers: []string{"[::1]:6379"}},
		"redis://[::1]:7,[fe80::2],h?cluster=1":  {servers: []string{"[::1]:7", "[fe80::2]:6379", "h:6379"}, cluster: true},
		"redis://h?cluster=true":                 {servers: []string{"h:6379"}, cluster: true},
		"redis://u:p@a,b:26379/1?master=main":    {servers: []string{"a:6379", "b:26379"}, user: "u", password: "p", master: "main", database: 1},
		"redis://a?master=m&sentinel_password=s": {servers: []string{"a:6379"}, master: "m", sentinel: "s"},
	} {
		u, err := Options{URL: text}.parse()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := asked{u.Addrs, u.Username, u.Password, u.MasterName, u.SentinelPassword, u.DB, u.IsClusterMode, u.TLSConfig != nil}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing":             {},
		"no scheme":           {URL: "localhost:6379"},
		"another scheme":      {URL: "http://secret@localhost"},
		"no host":             {URL: "redis://"},
		"no host of several":  {URL: "redis://a,,b?cluster=true"},
		"a bad port":          {URL: "redis://:secret@h:0"},
		"a port out of range": {URL: "redis://h:65536"},
		"a bad database":      {URL: "redis://u:secret@h/x"},
		"a negative database": {URL: "redis://h/-1"},
		"an unknown setting":  {URL: "redis://u:secret@h?clutser=true"},
		"a bad escape":        {URL: "redis://u:secret%zz@h"},
		"a bad query":         {URL: "redis://u:secret@h?cluster=%zz"},
		"neither yes nor no":  {URL: "redis://h?cluster=maybe"},
		"both kinds":          {URL: "redis://h?cluster=true&master=m"},
		"a database there":    {URL: "redis://h/2?cluster=true"},
		"several of no kind":  {URL: "redis://u:secret@a,b"},
		"TLS without":         {URL: "redis://h", TLS: &tls.Config{}},
		"a slash within":      {URL: "redis://u:7/secret@h"},
		"a hash within":       {URL: "redis://:secret#x@h"},
		"a question within":   {URL: "redis://u:1?secret@h"},
		"no server":           {URL: "redis://:secret"},
		"half in the path":    {URL: "redis://u:p@ss/secret@h"},
		"half in the query":   {URL: "redis://h?master=m&sentinel_password=a&secret=1"},
		"a brace":             {URL: "redis://h", Prefix: "{gh}:"},
		"a pattern":           {URL: "redis://h", Prefix: "gh*"},
	} {
		err := o.Validate()
		if !errors.Is(err, state.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
		if _, err := Open(t.Context(), o); !errors.Is(err, state.ErrInvalid) {
			t.Errorf("%s: opened with %v, want ErrInvalid", name, err)
		}
	}
}

func TestCredentialsOfTheirOwn(t *testing.T) {
	u, err := Options{URL: "redis://a:b@h", Username: "u", Password: "p"}.parse()
	if err != nil || u.Username != "u" || u.Password != "p" {
		t.Errorf("%v, %v", u, err)
	}
}

// No text makes the parser panic, or a password show in its error.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"redis://a", "rediss://u:p@a:1,b:2/0?cluster=true", "redis://[::1]:6379?master=m", "redis://@", "redis://a/%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := Options{URL: text}
		if err := o.Validate(); err == nil {
			if u, err := o.parse(); err != nil || len(u.Addrs) == 0 {
				t.Errorf("%q: %v, %v", text, u, err)
			}
		}
		const password = "hunter2hunter2"
		if err := (Options{URL: "redis://u:" + password + "@" + text}).Validate(); err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("%v", err)
		}
	})
}
