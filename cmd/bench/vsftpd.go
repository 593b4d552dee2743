package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const vsftpdConfig = `listen=YES
listen_address=127.0.0.1
listen_port=%s
background=NO
anonymous_enable=YES
no_anon_password=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
anon_root=%s
ftp_username=%s
secure_chroot_dir=%s
max_clients=0
max_per_ip=0
xferlog_enable=YES
vsftpd_log_file=%s
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=NO
force_anon_data_ssl=NO
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file=%s
rsa_private_key_file=%s
`

// arrangeVSFTPD is vsftpd, whose user is the anonymous one: it has no other
// without an account of the machine.
func arrangeVSFTPD(f *farm) (*server, error) {
	const who = "daemon" // whose home is there
	program, owner, err := peer("vsftpd", who)
	if err != nil {
		return nil, err
	}
	s, err := f.server("vsftpd", owner)
	if err != nil {
		return nil, err
	}
	s.user, s.prefix[overFTP] = "anonymous", "/home"
	outer := s.root // must be nobody's that could write there
	s.root = filepath.Join(outer, "home")
	if err := errors.Join(os.Chown(outer, 0, 0), s.folder("")); err != nil {
		return nil, err
	}
	if err := s.listen(overFTP); err != nil {
		return nil, err
	}
	if err := os.Mkdir(f.file("empty"), 0o755); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(vsftpdConfig, s.port(overFTP), outer, who, f.file("empty"), f.file("vsftpd.log"), f.file("cert.pem"), f.file("cert.key"))
	if err := os.WriteFile(f.file("vsftpd.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.command = f.command("vsftpd", program, f.file("vsftpd.conf"))
	return s, nil
}
