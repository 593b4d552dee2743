package sender

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Outcome is what people read of a try. It holds nothing of what was answered but
// the status, nor the URL, which may hold a secret of the other side's.
func Outcome(err error) string {
	var (
		answered    *RefusedError
		address     *AddressError
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		errno       syscall.Errno
		network     net.Error
	)
	switch {
	case err == nil:
		return "taken"
	case errors.As(err, &answered):
		return answered.Error()
	case errors.As(err, &address):
		return address.Error()
	case errors.As(err, &name):
		return "the name cannot be resolved"
	case errors.As(err, &certificate):
		return "the certificate is not trusted: no authority that is known vouches for this name"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer within 10 seconds"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without an answer"
	}
	return "no answer in HTTP over TLS"
}
