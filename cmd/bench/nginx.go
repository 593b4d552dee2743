package main

import (
	"fmt"
	"os"
)

const nginxConfig = `daemon off;
user %[2]s;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.error;
events { worker_connections 768; }
http {
	sendfile on;
	tcp_nopush on;
	default_type application/octet-stream;
	access_log %[1]s/nginx.access;
	keepalive_requests 1000000;
	client_max_body_size 0;
	client_body_temp_path %[5]s;
	proxy_temp_path %[5]s; # this and the next are made at the start, used or not
	fastcgi_temp_path %[5]s;
	uwsgi_temp_path %[5]s;
	scgi_temp_path %[5]s;
	server {
		listen %[3]s;
		listen %[4]s ssl;
		ssl_certificate %[1]s/cert.pem;
		ssl_certificate_key %[1]s/cert.key;
		ssl_protocols TLSv1.2 TLSv1.3;
		root %[6]s;
		location / {
			auth_basic bench;
			auth_basic_user_file %[1]s/http.users;
			dav_methods PUT DELETE MKCOL COPY MOVE;
		}
	}
}
`

// arrangeNginx is nginx with the part of WebDAV that it knows. Bodies wait on the
// same file system as what is served, so that they are renamed into place.
func arrangeNginx(f *farm) (*server, error) {
	program, s, err := f.webPeer("nginx", "nginx")
	if err != nil {
		return nil, err
	}
	bodies := s.root + ".bodies"
	if err := s.owner.folder(bodies); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(nginxConfig, f.work, webAccount, s.addr[overHTTP], s.addr[overHTTPS], bodies, s.root)
	if err := os.WriteFile(f.file("nginx.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.command = f.command("nginx", program, "-c", f.file("nginx.conf"))
	return s, nil
}
