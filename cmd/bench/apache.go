package main

import (
	"fmt"
	"os"
)

const apacheConfig = `ServerRoot %[1]s
ServerName 127.0.0.1
PidFile %[1]s/apache.pid
Mutex file:%[1]s
User %[2]s
Group %[2]s
Listen %[3]s
Listen %[4]s
LoadModule mpm_event_module %[7]s/mod_mpm_event.so
LoadModule authn_core_module %[7]s/mod_authn_core.so
LoadModule authn_file_module %[7]s/mod_authn_file.so
LoadModule authz_core_module %[7]s/mod_authz_core.so
LoadModule authz_user_module %[7]s/mod_authz_user.so
LoadModule auth_basic_module %[7]s/mod_auth_basic.so
LoadModule dav_module %[7]s/mod_dav.so
LoadModule dav_fs_module %[7]s/mod_dav_fs.so
LoadModule ssl_module %[7]s/mod_ssl.so
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ErrorLog %[1]s/apache.error
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%O" common
CustomLog %[1]s/apache.access common
DavLockDB %[5]s/locks
DocumentRoot %[6]s
<Directory />
Require all denied
AllowOverride None
</Directory>
<Directory %[6]s>
Dav On
AuthType Basic
AuthName bench
AuthUserFile %[1]s/http.users
Require valid-user
</Directory>
<VirtualHost %[4]s>
SSLEngine on
SSLCertificateFile %[1]s/cert.pem
SSLCertificateKeyFile %[1]s/cert.key
</VirtualHost>
`

// arrangeApache is Apache with mod_dav, whose user stands in a file with the
// cheapest hash that it has.
func arrangeApache(f *farm) (*server, error) {
	program, s, err := f.webPeer("apache", "apache2")
	if err != nil {
		return nil, err
	}
	locks := f.file("apache.locks")
	if err := s.owner.folder(locks); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(apacheConfig, f.work, webAccount, s.addr[overHTTP], s.addr[overHTTPS], locks, s.root, beside(program, "apache2/modules"))
	if err := os.WriteFile(f.file("apache.conf"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s.command = f.command("apache", program, "-f", f.file("apache.conf"), "-D", "FOREGROUND")
	return s, nil
}
