package migrate

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"gatehouse/admin/document"
)

// day is what /etc/shadow counts in.
const day = 24 * time.Hour

// never is the longest password age of shadow files that means none.
const never = 99999

// Shadow reads a file in the format of /etc/shadow. Names without a password are
// those of the system, and left out.
func Shadow(r io.Reader, o Options) (*Import, error) {
	i := newImport()
	err := lines(r, func(n int, line string) error {
		f := strings.Split(line, ":")
		if len(f) < 2 || f[0] == "" {
			return fmt.Errorf("line %d is not one of a shadow file", n)
		}
		f = append(f, make([]string, 9)...)
		hash := strings.TrimLeft(f[1], "!")
		if hash == "" || hash == "*" || hash == "x" {
			i.remark("account", f[0], "has no password and is left out")
			return nil
		}
		x := document.DocumentAccount{Username: f[0], AdoptHome: o.AdoptHomes}
		if hash != f[1] {
			x.Disabled, x.DisabledWhy = true, "locked in the shadow file"
		}
		i.aged(&x, hash, f[2], f[4], f[7])
		i.add(x)
		return nil
	})
	return i, err
}

// aged sets password, its age, and the expiry of an account, all in days.
func (i *Import) aged(x *document.DocumentAccount, hash, changed, longest, expires string) {
	p := document.DocumentPassword{Hash: hash}
	if n, err := strconv.Atoi(changed); err == nil {
		p.MustChange = n == 0
		if n > 0 {
			p.Changed = time.Unix(0, 0).UTC().Add(time.Duration(n) * day)
		}
	}
	i.password(x, p)
	if n, err := strconv.Atoi(longest); err == nil && n > 0 && n < never && x.Secrets != nil {
		x.PasswordMaxAge = &n
	}
	if n, err := strconv.Atoi(expires); err == nil && n > 0 {
		// The account ends with the beginning of that day, in UTC.
		x.Expires = new(time.Unix(0, 0).UTC().Add(time.Duration(n) * day).Format(time.RFC3339))
	}
}

// Htpasswd reads a file of Apache's htpasswd.
func Htpasswd(r io.Reader, o Options) (*Import, error) {
	i := newImport()
	err := lines(r, func(n int, line string) error {
		name, hash, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return fmt.Errorf("line %d is not one of an htpasswd file", n)
		}
		x := document.DocumentAccount{Username: name, AdoptHome: o.AdoptHomes}
		i.password(&x, document.DocumentPassword{Hash: strings.TrimSpace(hash)})
		i.add(x)
		return nil
	})
	return i, err
}

// lines calls do with each line that is not empty and no comment.
func lines(r io.Reader, do func(n int, line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimRight(s.Text(), "\r")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		if err := do(n, line); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	return nil
}
