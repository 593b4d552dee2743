package wire

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Errors of PORT and EPRT.
var (
	ErrPortSyntax   = errors.New("not a host and port")
	ErrPortProtocol = errors.New("not a network protocol that is known")
)

// ParsePORT reads h1,h2,h3,h4,p1,p2 (RFC 959, 4.1.2).
func ParsePORT(arg string) (netip.AddrPort, error) {
	fields := strings.Split(arg, ",")
	if len(fields) != 6 {
		return netip.AddrPort{}, ErrPortSyntax
	}
	var b [6]byte
	for i, f := range fields {
		n, err := octet(f)
		if err != nil {
			return netip.AddrPort{}, err
		}
		b[i] = n
	}
	port := uint16(b[4])<<8 | uint16(b[5])
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), port), nil
}

// octet is a decimal number without sign and of at most three digits.
func octet(s string) (byte, error) {
	if s == "" || len(s) > 3 || strings.Trim(s, "0123456789") != "" {
		return 0, ErrPortSyntax
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, ErrPortSyntax
	}
	return byte(n), nil
}

// ParseEPRT reads <d>protocol<d>address<d>port<d>, d being any printable
// character (RFC 2428, 2).
func ParseEPRT(arg string) (netip.AddrPort, error) {
	if arg == "" || arg[0] < 33 || arg[0] > 126 {
		return netip.AddrPort{}, ErrPortSyntax
	}
	fields := strings.Split(arg, arg[:1])
	if len(fields) != 5 || fields[4] != "" {
		return netip.AddrPort{}, ErrPortSyntax
	}
	if fields[1] != "1" && fields[1] != "2" {
		return netip.AddrPort{}, ErrPortProtocol
	}
	a, err := netip.ParseAddr(fields[2])
	if err != nil || a.Zone() != "" || a.Is4() != (fields[1] == "1") {
		return netip.AddrPort{}, ErrPortSyntax
	}
	if len(fields[3]) > 5 || strings.Trim(fields[3], "0123456789") != "" {
		return netip.AddrPort{}, ErrPortSyntax
	}
	port, err := strconv.ParseUint(fields[3], 10, 16)
	if err != nil {
		return netip.AddrPort{}, ErrPortSyntax
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), nil
}
