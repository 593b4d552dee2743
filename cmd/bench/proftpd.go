package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const proftpdConfig = `ModulePath %[1]s
LoadModule mod_tls.c
ServerName "bench"
ServerType standalone
DefaultServer on
DefaultAddress 127.0.0.1
SocketBindTight on
UseIPv6 off
UseReverseDNS off
Port %[2]s
User %[3]s
Group nogroup
Umask 022 022
MaxInstances none
AuthOrder mod_auth_file.c
AuthUserFile %[4]s
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
WtmpLog off
DelayEngine off
PidFile %[5]s
ScoreboardFile %[6]s
SystemLog %[7]s
TransferLog %[8]s
TLSEngine on
TLSRequired off
TLSECCertificateFile %[9]s
TLSECCertificateKeyFile %[10]s
TLSOptions NoSessionReuseRequired
`

// arrangeProFTPD is ProFTPD, whose user stands in a file of its own.
func arrangeProFTPD(f *farm) (*server, error) {
	const who = "nobody"
	program, owner, err := peer("proftpd", who)
	if err != nil {
		return nil, err
	}
	s, err := f.server("proftpd", owner)
	if err != nil {
		return nil, err
	}
	if err := s.listen(overFTP); err != nil {
		return nil, err
	}
	hash, err := hashed(s.password)
	if err != nil {
		return nil, err
	}
	users := fmt.Sprintf("%s:%s:%d:%d::%s:/bin/sh\n", s.user, hash, owner.uid, owner.gid, s.root)
	if err := os.WriteFile(f.file("proftpd.users"), []byte(users), 0o600); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(proftpdConfig, beside(program, "proftpd"), s.port(overFTP), who, f.file("proftpd.users"), f.file("proftpd.pid"),
		f.file("proftpd.board"), f.file("proftpd.log"), f.file("proftpd.transfers"), f.file("cert.pem"), f.file("cert.key"))
	if err := os.WriteFile(f.file("proftpd.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.command = f.command("proftpd", program, "-n", "-q", "-c", f.file("proftpd.conf"))
	return s, nil
}

// hashed is a password as crypt(3) keeps it.
func hashed(password string) (string, error) {
	out, err := exec.CommandContext(context.Background(), "openssl", "passwd", "-5", password).Output()
	return strings.TrimSpace(string(out)), err
}
