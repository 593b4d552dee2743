package main

import (
	"fmt"
	"os"
	"os/user"
)

const sshdConfig = `ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
MaxStartups 1000
Subsystem sftp internal-sftp
`

// arrangeSSHD is OpenSSH's server. It serves whoever runs it, below the root of
// the machine.
func arrangeSSHD(f *farm) (*server, error) {
	program, err := find("sshd")
	if err != nil {
		return nil, err
	}
	s, err := f.server("sshd", us())
	if err != nil {
		return nil, err
	}
	who, err := user.Current()
	if err != nil {
		return nil, err
	}
	s.user, s.prefix[overSFTP] = who.Username, s.root
	if err := s.listen(overSFTP); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // where it looks for its privilege separation
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	config := fmt.Sprintf(sshdConfig, s.addr[overSFTP], f.file("host"), f.file("authorized"))
	if err := os.WriteFile(f.file("sshd.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.command = f.command("sshd", program, "-D", "-e", "-f", f.file("sshd.conf"))
	return s, nil
}
