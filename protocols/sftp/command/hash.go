package command

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/words"
)

// hashes are made to compare what was transferred; MD5 and SHA-1 are what
// clients ask for, and prove nothing against who means harm.
var hashes = map[string]func() hash.Hash{
	"md5sum": md5.New, "sha1sum": sha1.New, "sha256sum": sha256.New, "sha512sum": sha512.New,
}

func hashing(name string) func(*run, context.Context, []words.Word) int {
	return func(r *run, ctx context.Context, args []words.Word) int { return r.hashes(ctx, hashes[name], args) }
}

// hashes prints the hash of each file in the form of coreutils, or that of what
// the client sends where it names none.
func (r *run) hashes(ctx context.Context, with func() hash.Hash, args []words.Word) int {
	files, ok := options(args, "bt")
	if !ok {
		return r.usage("[file ...]")
	}
	if len(files) == 0 {
		files = []words.Word{{Text: "-"}}
	}
	status := Done
	for _, file := range files {
		h := with()
		if err := r.content(ctx, h, file); err != nil {
			status = r.fail(file.Text, err)
			continue
		}
		r.line(h, file.Text)
	}
	return status
}

// line is a file's line. A name that would break it is escaped, which a
// backslash at its front says.
func (r *run) line(h hash.Hash, name string) {
	mark := ""
	if strings.ContainsAny(name, "\\\n\r") {
		mark, name = `\`, strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
	}
	tell(r.Out, "%s%s  %s\n", mark, hex.EncodeToString(h.Sum(nil)), name)
}

func (r *run) content(ctx context.Context, to io.Writer, file words.Word) error {
	if file.Text == "-" {
		_, err := io.Copy(to, r.In)
		return err
	}
	p, err := path.Parse(file.Text)
	if err != nil {
		return err
	}
	f, err := r.FS.Open(ctx, p, session.Open{Read: true})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { r.let(f) }) // the client does not wait any more
	defer stop()
	defer r.let(f)
	_, err = f.CopyTo(to, 0, -1)
	return err
}

// let closes what was read.
func (r *run) let(f *session.File) {
	if err := f.Close(); err != nil {
		r.Log.Debug("close what was hashed", "error", err)
	}
}
