package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gatewayName is whom all others are compared with, and floorName the least that
// does the work.
const (
	gatewayName = "gateway"
	floorName   = "floor"
)

// arrangeGateway is the gateway as it comes, with its store on the disk, one
// account with a quota, and a record of all that happens.
func arrangeGateway(f *farm) (*server, error) {
	s, err := f.server(gatewayName, us())
	if err != nil {
		return nil, err
	}
	files := filepath.Join(f.data, gatewayName)
	s.root = filepath.Join(files, "home", account) // is made with the account
	s.prefix[overHTTP], s.prefix[overHTTPS] = "/dav", "/dav"
	config := fmt.Sprintf("mounts: [{path: /, kind: local, dir: %s}]\nftp: {passive_ports: 30000-30499}\ntls: {certificate: %s, key: %s}\n",
		files, f.file("cert.pem"), f.file("cert.key"))
	if err := os.WriteFile(f.file("gatehouse.yaml"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	var printed io.ReadCloser
	s.command = func() (*exec.Cmd, error) {
		cmd := exec.Command(f.binary, "serve")
		cmd.Dir = f.work
		cmd.Env = append(os.Environ(), "GATEHOUSE_CONFIG="+f.file("gatehouse.yaml"), "GATEHOUSE_DATA="+f.file("store"),
			"GATEHOUSE_ADMIN_PASSWORD="+password, "GATEHOUSE_SHUTDOWN_GRACE=5s")
		for _, door := range []string{"SFTP", "FTP", "HTTP", "HTTPS", "METRICS"} {
			cmd.Env = append(cmd.Env, "GATEHOUSE_LISTEN_"+door+"=127.0.0.1:0")
		}
		var err error
		if printed, err = cmd.StdoutPipe(); err != nil {
			return nil, err
		}
		return cmd, logTo(cmd, f.file("gateway.log"))
	}
	s.collect = func(ctx context.Context) error { return f.debug(ctx, "/debug/pprof/heap?gc=1", io.Discard) }
	first := true
	s.ready = func(ctx context.Context, s *server) error {
		if err := told(ctx, s, printed, "SSH"); err != nil {
			return err
		}
		if err := until(ctx, "http://"+s.addr["metrics"]+"/readyz"); err != nil || !first {
			return err
		}
		first = false
		return arrangeAccount(ctx, f)
	}
	return s, nil
}

// told reads where the doors are, until a line begins with the last word.
func told(ctx context.Context, s *server, printed io.ReadCloser, last string) error {
	stop := context.AfterFunc(ctx, func() { _ = printed.Close() })
	defer stop()
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 2 {
			s.addr[door(words[0])] = words[1]
		}
		if len(words) > 0 && words[0] == last {
			go func() { _, _ = io.Copy(io.Discard, printed) }() // ends with the process
			return nil
		}
	}
	return errors.New("did not say where its doors are")
}

// until waits for an answer without complaint.
func until(ctx context.Context, url string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", url, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// arrangeAccount makes the user, over the local socket.
func arrangeAccount(ctx context.Context, f *farm) error {
	key, err := os.ReadFile(f.file("authorized"))
	if err != nil {
		return err
	}
	if err := f.api(ctx, http.MethodPatch, "/site", map[string]any{"plain_ftp": "allow"}); err != nil {
		return err
	}
	return f.api(ctx, http.MethodPost, "/accounts", map[string]any{
		"username": account, "password": password, "keys": []string{string(key)},
		"quota": map[string]any{"limit_bytes": 1 << 42, "limit_files": 1 << 32},
	})
}

// local asks the gateway over its socket.
func (f *farm) local() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(f.file("store"), "gatehouse.sock"))
	}}}
}

func (f *farm) api(ctx context.Context, method, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.local().Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return nil
}
