package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// openSSH lets OpenSSH's client do one command.
func (f *farm) openSSH(ctx context.Context, s *server, command string, options ...string) error {
	args := append([]string{
		"-q", "-F", "none", "-b", "-", "-P", s.port(overSFTP), "-i", f.file("key"), "-o", "Ciphers=" + cipher,
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + os.DevNull, "-o", "IdentitiesOnly=yes",
	}, options...)
	return stock(ctx, command+"\n", "sftp", append(args, s.user+"@127.0.0.1")...)
}

// curl is quiet, and says what went wrong. TLS is with one suite for all servers.
func curl(ctx context.Context, s *server, args ...string) error {
	fixed := []string{"-q", "-sSf", "--http1.1", "--insecure", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", "--user", s.user + ":" + s.password}
	return stock(ctx, "", "curl", append(fixed, args...)...)
}

// stock runs a program that people use.
func stock(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return nil
}
