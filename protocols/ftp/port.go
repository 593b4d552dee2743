package ftp

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

var (
	errPortSyntax   = errors.New("not a host and port")
	errPortProtocol = errors.New("not a network protocol that is known")
)

// parsePORT reads h1,h2,h3,h4,p1,p2 (RFC 959, 4.1.2).
func parsePORT(arg string) (netip.AddrPort, error) {
	fields := strings.Split(arg, ",")
	if len(fields) != 6 {
		return netip.AddrPort{}, errPortSyntax
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
		return 0, errPortSyntax
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, errPortSyntax
	}
	return byte(n), nil
}

// parseEPRT reads <d>protocol<d>address<d>port<d>, d being any printable
// character (RFC 2428, 2).
func parseEPRT(arg string) (netip.AddrPort, error) {
	if arg == "" || arg[0] < 33 || arg[0] > 126 {
		return netip.AddrPort{}, errPortSyntax
	}
	fields := strings.Split(arg, arg[:1])
	if len(fields) != 5 || fields[4] != "" {
		return netip.AddrPort{}, errPortSyntax
	}
	if fields[1] != "1" && fields[1] != "2" {
		return netip.AddrPort{}, errPortProtocol
	}
	a, err := netip.ParseAddr(fields[2])
	if err != nil || a.Zone() != "" || a.Is4() != (fields[1] == "1") {
		return netip.AddrPort{}, errPortSyntax
	}
	if len(fields[3]) > 5 || strings.Trim(fields[3], "0123456789") != "" {
		return netip.AddrPort{}, errPortSyntax
	}
	port, err := strconv.ParseUint(fields[3], 10, 16)
	if err != nil {
		return netip.AddrPort{}, errPortSyntax
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port)), nil
}
