package floor

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// shell is SSH with one subsystem.
type shell struct {
	config *ssh.ServerConfig
	files  sftp.Handlers
}

func newSFTP(c Config) (*shell, error) {
	allowed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.Key))
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(c.HostKey)
	if err != nil {
		return nil, err
	}
	host, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), allowed.Marshal()) {
			return nil, errors.New("not the user's key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	f := plain(c.Root)
	return &shell{config, sftp.Handlers{FileGet: f, FilePut: f, FileCmd: f, FileList: f}}, nil
}

func (s *shell) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	_, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests) // ends with the connection
	for nc := range channels {
		channel, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go func() { // ends with the connection
			for r := range requests {
				_ = r.Reply(r.Type == "subsystem", nil)
			}
		}()
		go func() { // ends with the channel
			server := sftp.NewRequestServer(channel, s.files, sftp.WithRSAllocator())
			_ = server.Serve()
			_ = server.Close()
			_ = channel.Close()
		}()
	}
}

// plain serves the files of a folder as they are.
type plain string

func (p plain) at(r *sftp.Request) string { return filepath.Join(string(p), r.Filepath) }

func (p plain) Fileread(r *sftp.Request) (io.ReaderAt, error) { return os.Open(p.at(r)) }

func (p plain) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	return os.OpenFile(p.at(r), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
}

func (p plain) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Setstat":
		return nil
	case "Remove":
		return os.Remove(p.at(r))
	case "Mkdir":
		return os.Mkdir(p.at(r), 0o755)
	}
	return sftp.ErrSSHFxOpUnsupported
}

func (p plain) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	switch r.Method {
	case "List":
		f, err := os.Open(p.at(r))
		return folder{f}, err
	case "Stat":
		info, err := os.Stat(p.at(r))
		return one{info}, err
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// one is the attributes of a single file.
type one struct{ info os.FileInfo }

func (o one) ListAt(into []os.FileInfo, at int64) (int, error) {
	if at > 0 {
		return 0, io.EOF
	}
	return copy(into, []os.FileInfo{o.info}), nil
}

// folder lists what it holds in the order of the disk; whoever asks does so from
// the beginning to the end.
type folder struct{ *os.File }

func (f folder) ListAt(into []os.FileInfo, _ int64) (int, error) {
	infos, err := f.Readdir(len(into))
	return copy(into, infos), err
}
