package proxied

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Bounds of a header: 107 bytes are the longest of version 1 (2.1); what stands
// behind the addresses of version 2 is skipped, and little of it is sent.
const (
	longestV1   = 107
	longestV2   = 4096
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
	beginningV1 = "PROXY "
)

// What a header cannot be.
var (
	ErrNoHeader = errors.New("the connection does not begin with a PROXY header")
	ErrHeader   = errors.New("the PROXY header cannot be understood")
)

// A Header is who came to the proxy, and where. Client is the zero value where
// the proxy does not know it.
type Header struct {
	// Own says that the proxy itself speaks, to see whether the gateway is there.
	Own             bool
	Client, Reached netip.AddrPort
}

// Read reads the header that a connection begins with (PROXY protocol, version
// 1 or 2), and not one byte of what follows: that is the client's.
func Read(r io.Reader) (Header, error) {
	first := make([]byte, len(signatureV2)) // no header is shorter
	if _, err := io.ReadFull(r, first); err != nil {
		return Header{}, incomplete(err)
	}
	switch {
	case string(first) == signatureV2:
		return readV2(r)
	case bytes.HasPrefix(first, []byte(beginningV1)):
		return readV1(r, first)
	}
	return Header{}, ErrNoHeader
}

// incomplete keeps the end of a connection that said nothing apart: whoever
// only looks whether a port is open is no news.
func incomplete(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrNoHeader
	}
	return fmt.Errorf("read the PROXY header: %w", err)
}

// readV1 reads the line of version 1, byte by byte to its end.
func readV1(r io.Reader, line []byte) (Header, error) {
	one := make([]byte, 1)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == longestV1 {
			return Header{}, fmt.Errorf("%w: the line is longer than %d bytes", ErrHeader, longestV1)
		}
		if _, err := io.ReadFull(r, one); err != nil {
			return Header{}, fmt.Errorf("%w: %w", ErrHeader, err)
		}
		line = append(line, one[0])
	}
	return parseV1(string(line[:len(line)-2]))
}

func parseV1(line string) (Header, error) {
	fields := strings.Split(line, " ")
	if fields[1] == "UNKNOWN" { // whatever follows says nothing (2.1)
		return Header{}, nil
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return Header{}, fmt.Errorf("%w: neither TCP4, TCP6 nor UNKNOWN with its fields", ErrHeader)
	}
	four := fields[1] == "TCP4"
	client, err := endV1(fields[2], fields[4], four)
	if err != nil {
		return Header{}, err
	}
	reached, err := endV1(fields[3], fields[5], four)
	return Header{Client: client, Reached: reached}, err
}

func endV1(host, port string, four bool) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(host)
	if err != nil || a.Is4() != four || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%w: an address is none of its family", ErrHeader)
	}
	n, ok := portOf(port)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%w: a port is none", ErrHeader)
	}
	return netip.AddrPortFrom(a.Unmap(), n), nil
}

// portOf reads decimal digits, without sign or leading zeros.
func portOf(s string) (uint16, bool) {
	if s == "" || len(s) > 5 || strings.Trim(s, "0123456789") != "" || s[0] == '0' && s != "0" {
		return 0, false
	}
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return uint16(n), n <= 65535
}

// Bytes of version 2 (2.2).
const (
	versionMask, version2   = 0xf0, 0x20
	commandLocal, withProxy = 0x0, 0x1
	familyIPv4, familyIPv6  = 0x1, 0x2
	streams                 = 0x1
)

// readV2 reads what follows the signature of version 2.
func readV2(r io.Reader) (Header, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	size := int(binary.BigEndian.Uint16(head[2:]))
	if head[0]&versionMask != version2 {
		return Header{}, fmt.Errorf("%w: another version than 1 and 2", ErrHeader)
	}
	if size > longestV2 {
		return Header{}, fmt.Errorf("%w: %d bytes, of at most %d", ErrHeader, size, longestV2)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	switch head[0] &^ versionMask {
	case commandLocal:
		return Header{Own: true}, nil
	case withProxy:
		return parseV2(head[1]>>4, head[1]&0xf, body)
	}
	return Header{}, fmt.Errorf("%w: an unknown command", ErrHeader)
}

// parseV2 reads the two ends. Of what is not TCP over IP the client is unknown.
func parseV2(family, kind byte, body []byte) (Header, error) {
	size := map[byte]int{familyIPv4: 4, familyIPv6: 16}[family]
	if size == 0 || kind != streams {
		return Header{}, nil
	}
	if len(body) < 2*size+4 {
		return Header{}, fmt.Errorf("%w: it is too short for its addresses", ErrHeader)
	}
	end := func(i int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(body[i*size : (i+1)*size])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(body[2*size+2*i:]))
	}
	return Header{Client: end(0), Reached: end(1)}, nil
}
