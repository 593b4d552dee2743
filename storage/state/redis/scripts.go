package redis

import (
	"embed"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var sources embed.FS

// scripts are what is run in the server.
type scripts struct {
	get, list, apply                        *goredis.Script
	lease, window, distinct, drop           *goredis.Script
	appendTo, trim, changes, scopes, moment *goredis.Script
}

func readScripts() (scripts, error) {
	var s scripts
	for _, one := range []struct {
		to    **goredis.Script
		parts []string
	}{
		{&s.get, []string{"get"}},
		{&s.list, []string{"list"}},
		{&s.apply, []string{"apply"}},
		{&s.lease, []string{"counter", "lease"}},
		{&s.window, []string{"counter", "window"}},
		{&s.distinct, []string{"counter", "distinct"}},
		{&s.drop, []string{"counter", "drop"}},
		{&s.appendTo, []string{"append"}},
		{&s.trim, []string{"trim"}},
		{&s.changes, []string{"changes"}},
		{&s.scopes, []string{"keyspace", "scopes"}},
		{&s.moment, []string{"keyspace", "moment"}},
	} {
		var source strings.Builder
		for _, part := range append([]string{"prelude"}, one.parts...) {
			text, err := sources.ReadFile("scripts/" + part + ".lua")
			if err != nil {
				return scripts{}, fmt.Errorf("read a script: %w", err)
			}
			source.Write(text)
		}
		*one.to = goredis.NewScript(source.String())
	}
	return s, nil
}
