package sftp_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mounts are the ways in which sshfs is used: with the kernel's cache and without,
// with its own and without, over one connection and over several.
var mounts = map[string]string{
	"plain": "", "direct_io": "direct_io", "cache=no": "cache=no", "max_conns=3": "max_conns=3",
}

// mount mounts alice's files until the test ends, and returns the folder.
func (o *openSSH) mount(option string) string {
	o.t.Helper()
	for _, program := range []string{"sshfs", "fusermount3"} {
		if _, err := exec.LookPath(program); err != nil {
			o.t.Skipf("%s is not installed: no mount was tried", program)
		}
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		o.t.Skipf("there is no FUSE here: no mount was tried: %v", err)
	} else {
		f.Close()
	}
	at := o.t.TempDir()
	_, port, _ := net.SplitHostPort(o.address)
	args := []string{
		"alice@127.0.0.1:/", at, "-p", port, "-F", "none", "-o", "IdentityFile=" + o.file("key"), "-o", "UserKnownHostsFile=" + o.file("known_hosts"),
		"-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "idmap=user",
	}
	if option != "" {
		args = append(args, "-o", option)
	}
	cmd := exec.CommandContext(o.t.Context(), "sshfs", args...)
	cmd.Env = o.env
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "fuse: mount failed") || strings.Contains(string(out), "fuse: failed") {
			o.t.Skipf("FUSE does not mount here: %s", out)
		}
		o.t.Fatalf("sshfs: %v\n%s", err, out)
	}
	o.t.Cleanup(func() {
		if out, err := exec.Command("fusermount3", "-u", "-z", at).CombinedOutput(); err != nil {
			o.t.Errorf("unmount: %v %s", err, out)
		}
	})
	return at
}

// A tree is what a mount must show: files by name, and what is open of them.
type tree struct {
	t     *testing.T
	at    string
	rand  *rand.Rand
	files map[string]*kept
	open  []*opened
	log   []string
	// several says that the handles of a file may be on several connections, which no
	// server orders against one another.
	several bool
}

// A kept file has its content, whatever its name.
type kept struct{ content []byte }

type opened struct {
	*os.File
	of *kept
}

func (m *tree) did(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *tree) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%v\nafter:\n%s", err, strings.Join(m.log, "\n"))
	}
}

func (m *tree) name() string { return fmt.Sprintf("f%d", m.rand.IntN(4)) }

// flush lets what was written through handles be seen by others.
func (m *tree) flush() {
	for _, o := range m.open {
		m.must(o.Sync())
	}
}

// others flushes the other handles of a file where they may be on other connections:
// sshfs waits for no write of theirs.
func (m *tree) others(o *opened) {
	for _, other := range m.open {
		if m.several && other != o && other.of == o.of {
			m.must(other.Sync())
		}
	}
}

// step does one thing to the mount and to the model.
func (m *tree) step() {
	name := m.name()
	file := filepath.Join(m.at, name)
	there := m.files[name]
	switch what := m.rand.IntN(12); {
	case what < 2 && len(m.open) < 5:
		m.flush()
		m.did("open %s", name)
		f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
		m.must(err)
		if there == nil {
			there = &kept{}
			m.files[name] = there
		}
		m.open = append(m.open, &opened{f, there})
	case what < 8 && len(m.open) > 0:
		m.handle(m.open[m.rand.IntN(len(m.open))])
	case what == 8 && there != nil:
		m.flush()
		to := m.name()
		m.did("rename %s %s", name, to)
		m.must(os.Rename(file, filepath.Join(m.at, to)))
		delete(m.files, name)
		m.files[to] = there
	case what == 9 && there != nil:
		m.flush()
		m.did("remove %s", name)
		m.must(os.Remove(file))
		delete(m.files, name)
	case what == 10 && there != nil:
		m.flush()
		n := m.rand.IntN(300_000)
		m.did("truncate %s %d", name, n)
		m.must(os.Truncate(file, int64(n)))
		there.resize(n)
	case what == 11 && len(m.open) > 0:
		i := m.rand.IntN(len(m.open))
		m.did("close %s", m.open[i].Name())
		m.must(m.open[i].Close())
		m.open = append(m.open[:i], m.open[i+1:]...)
	}
}

// handle reads or writes through an open file.
func (m *tree) handle(o *opened) {
	off, n := m.rand.IntN(200_000), 1+m.rand.IntN(70_000)
	switch m.rand.IntN(4) {
	case 0, 1:
		b := bytes.Repeat([]byte{byte('a' + m.rand.IntN(26))}, n)
		m.others(o)
		m.did("write %s %d %d", o.Name(), off, n)
		_, err := o.WriteAt(b, int64(off))
		m.must(err)
		(*model)(&o.of.content).write(off, b)
	case 2:
		m.flush()
		m.did("read %s %d %d", o.Name(), off, n)
		b := make([]byte, n)
		got, _ := o.ReadAt(b, int64(off)) // a short one ends with EOF
		if want := model(o.of.content).read(off, n); string(b[:got]) != want {
			m.must(fmt.Errorf("read %d bytes that are not the %d of the model", got, len(want)))
		}
	case 3:
		m.flush()
		m.did("truncate the handle of %s to %d", o.Name(), off)
		m.must(o.Truncate(int64(off)))
		o.of.resize(off)
	}
}

func (k *kept) resize(n int) { (*model)(&k.content).resize(n) }

// check compares all there is.
func (m *tree) check(disk string) {
	m.flush()
	for name, want := range m.files {
		for _, at := range []string{m.at, disk} {
			got, err := os.ReadFile(filepath.Join(at, name))
			m.must(err)
			if !bytes.Equal(got, want.content) {
				m.must(fmt.Errorf("%s in %s has %d bytes that are not the %d of the model", name, at, len(got), len(want.content)))
			}
		}
	}
	for i := range 4 {
		name := fmt.Sprintf("f%d", i)
		if _, err := os.Stat(filepath.Join(m.at, name)); (err == nil) != (m.files[name] != nil) {
			m.must(fmt.Errorf("%s: %v", name, err))
		}
	}
}

// Whatever is done on a mount, it holds what a disk would hold.
func TestMountIsLikeADisk(t *testing.T) {
	for name, option := range mounts {
		t.Run(name, func(t *testing.T) {
			o := newOpenSSH(t).withKey()
			at := o.mount(option)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			m := &tree{t: t, at: at, rand: rand.New(rand.NewPCG(seed, 0)), files: map[string]*kept{}, several: strings.HasPrefix(option, "max_conns")}
			for range 12 {
				for range 25 {
					m.step()
				}
				m.check(o.home("alice"))
			}
			for _, open := range m.open {
				m.must(open.Close())
			}
		})
	}
}

// What people do on a mount: version control, archives, a database.
func TestProgramsOnAMount(t *testing.T) {
	const script = `set -e
cd "$1"
if command -v git >/dev/null; then
  git init -q repo && cd repo
  git config user.email a@b && git config user.name a && git config gc.auto 0
  for i in 1 2 3; do seq $i 2000 >file$i; git add .; git commit -q -m $i; done
  git gc -q && git fsck --strict && git checkout -q -b other && git rm -q file1 && git commit -q -m rm && git checkout -q - && test -f file1
  test -z "$(git status --porcelain)"
  cd ..
fi
mkdir tree && for i in $(seq 30); do head -c 3000 /dev/urandom >tree/$i; done
tar cf tree.tar tree && mkdir back && tar xf tree.tar -C back && diff -r tree back/tree
if command -v sqlite3 >/dev/null; then
  sqlite3 db 'create table t(a); begin; with recursive n(i) as (select 1 union all select i+1 from n where i<2000) insert into t select hex(randomblob(50)) from n; commit;'
  sqlite3 db 'delete from t where rowid % 3 = 0; vacuum; insert into t select a from t;'
  test "$(sqlite3 db 'pragma integrity_check')" = ok
  test "$(sqlite3 db 'select count(*) from t')" = 2668
fi
rm -rf repo tree back tree.tar db
`
	for name, option := range mounts {
		t.Run(name, func(t *testing.T) {
			o := newOpenSSH(t).withKey()
			at := o.mount(option)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", at)
			cmd.Env = append(os.Environ(), "HOME="+o.local)
			cmd.WaitDelay = time.Minute
			stop := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
			defer stop.Stop()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
