package sftp_test

import "testing"

// New keys in the middle of transfers, again and again, with each way to encrypt:
// what was gathered to be sent goes out before them, and nothing is lost.
func TestOpenSSHRekeys(t *testing.T) {
	for _, cipher := range []string{"aes128-gcm@openssh.com", "aes128-ctr", "chacha20-poly1305@openssh.com"} {
		t.Run(cipher, func(t *testing.T) {
			o := newOpenSSH(t).withKey()
			o.options = append(o.options, "-o", "RekeyLimit=512K", "-o", "Ciphers="+cipher)
			o.write("big", content(4<<20+17), 0o600)
			for _, size := range []string{"32768", "261120"} {
				o.options = append(o.options, "-B", size)
				o.sftp("put big /big"+size, "get /big"+size+" back"+size)
				o.same("big", "big"+size)
				o.same("back"+size, "big"+size)
			}
		})
	}
}
