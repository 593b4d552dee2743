package configs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"

	"github.com/goccy/go-yaml"
)

// Prefix begins the name of each environment variable that is read.
const Prefix = "GATEHOUSE_"

// Sources is where a configuration comes from, weakest first.
type Sources struct {
	File    string            // a path; empty for none
	Environ []string          // as os.Environ
	Flags   map[string]string // by key
	// Also finds what only those can judge who stand above this package; nil: nothing.
	Also func(*Config) Problems
}

// Loaded is a configuration, and where each of its values came from.
type Loaded struct {
	Config
	// Origin is by key: default, file, environment or flag.
	Origin map[string]string
}

// Problems is every problem of a configuration, each with the key it belongs to.
type Problems []Problem

// A Problem is what is wrong with a key.
type Problem struct{ Key, Why string }

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = "  " + one.Key + ": " + one.Why
	}
	return "the configuration has problems:\n" + strings.Join(lines, "\n")
}

// Load lays file, environment and flags over the defaults and validates the
// whole. Its error is Problems, or that the file cannot be read.
func Load(from Sources) (*Loaded, error) {
	l := &Loaded{Config: Default(), Origin: map[string]string{}}
	fields := fieldsOf(&l.Config)
	for key := range fields {
		l.Origin[key] = "default"
	}
	s := setter{fields: fields, origin: l.Origin}
	if from.File != "" {
		if err := s.file(from.File); err != nil {
			return nil, err
		}
	}
	s.environment(from.Environ)
	for key, text := range from.Flags {
		s.set("flag", key, text)
	}
	l.expand()
	problems := append(s.problems, l.Validate()...)
	if from.Also != nil {
		problems = append(problems, from.Also(&l.Config)...)
	}
	if len(problems) > 0 {
		sort.SliceStable(problems, func(i, j int) bool { return problems[i].Key < problems[j].Key })
		return nil, problems
	}
	return l, nil
}

// expand puts the data folder where a mount says DATA.
func (l *Loaded) expand() {
	for i, m := range l.Mounts {
		if rest, ok := strings.CutPrefix(m.Dir, "DATA"); ok && (rest == "" || rest[0] == '/') {
			l.Mounts[i].Dir = l.Data + rest
		}
	}
}

// setter writes values to fields by key and gathers what is wrong.
type setter struct {
	fields   map[string]field
	origin   map[string]string
	problems Problems
}

func (s *setter) set(origin, key string, value any) {
	f, ok := s.fields[key]
	if !ok {
		s.problems = append(s.problems, Problem{key, "is not a key of the configuration"})
		return
	}
	if err := f.set(value); err != nil {
		s.problems = append(s.problems, Problem{key, err.Error()})
		return
	}
	s.origin[key] = origin
}

func (s *setter) file(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var tree map[string]any
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return fmt.Errorf("read the configuration %s:\n%s", name, strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	s.tree("", tree)
	return nil
}

// tree descends into sections until a key names a field.
func (s *setter) tree(prefix string, section map[string]any) {
	for name, value := range section {
		key := prefix + name
		if _, leaf := s.fields[key]; leaf {
			s.set("file", key, value)
			continue
		}
		inner, isMap := value.(map[string]any)
		switch {
		case isMap && s.isSection(key):
			s.tree(key+".", inner)
		case value == nil && s.isSection(key): // an empty section
		case s.isSection(key):
			s.problems = append(s.problems, Problem{key, "is a section: it takes keys, not a value"})
		default:
			s.problems = append(s.problems, Problem{key, "is not a key of the configuration"})
		}
	}
}

func (s *setter) isSection(key string) bool {
	for known := range s.fields {
		if strings.HasPrefix(known, key+".") {
			return true
		}
	}
	return false
}

// notKeys are variables of the environment that the command line and the tests read.
var notKeys = map[string]bool{
	"CONFIG": true, "ADMIN_PASSWORD": true, "ADMIN_PASSWORD_FILE": true, "TOKEN": true, "SERVER": true, "PIN": true, "CA": true,
	"SEED": true, "TORTURE": true,
}

// platform matches what container platforms set beside a service that is called
// gatehouse: they mean nothing to it.
var platform = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// environment sets what the environment names; what begins as a key does and is
// none is a problem.
func (s *setter) environment(environ []string) {
	names := map[string]string{}
	for key := range s.fields {
		names[strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		short, ours := strings.CutPrefix(name, Prefix)
		if !ours || notKeys[short] || platform.MatchString(short) {
			continue
		}
		if key, ok := names[short]; ok {
			s.set("environment", key, text)
			continue
		}
		if key, ok := names[strings.TrimSuffix(short, "_FILE")]; ok {
			s.secretFile(key, text)
			continue
		}
		s.problems = append(s.problems, Problem{name, "is in the environment, and not a key of the configuration"})
	}
}

func (s *setter) secretFile(key, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		if pe := (*os.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		s.problems = append(s.problems, Problem{key, "the file named in the environment: " + err.Error()})
		return
	}
	s.set("environment", key, strings.TrimSpace(string(text)))
}
