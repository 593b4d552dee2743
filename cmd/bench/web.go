package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
)

// webAccount is whom Debian's web servers run as.
const webAccount = "www-data"

// webPeer is what Apache and nginx have in common.
func (f *farm) webPeer(name, program string) (string, *server, error) {
	path, owner, err := peer(program, webAccount)
	if err != nil {
		return "", nil, err
	}
	s, err := f.server(name, owner)
	if err != nil {
		return "", nil, err
	}
	if err := s.listen(overHTTP, overHTTPS); err != nil {
		return "", nil, err
	}
	return path, s, f.webUsers(s)
}

// webUsers writes the user with the cheapest hash that both have.
func (f *farm) webUsers(s *server) error {
	hash := sha1.Sum([]byte(s.password))
	line := fmt.Sprintf("%s:{SHA}%s\n", s.user, base64.StdEncoding.EncodeToString(hash[:]))
	return os.WriteFile(f.file("http.users"), []byte(line), 0o644)
}
