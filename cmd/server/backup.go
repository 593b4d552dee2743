package server

import (
	"context"
	"errors"
	"io"
)

func (g *gateway) backup(ctx context.Context, w io.Writer, passphrase string) error {
	return errors.ErrUnsupported
}

// Restore brings a backup back into an empty data folder.
func Restore(ctx context.Context, file, data, passphrase string) error {
	return errors.ErrUnsupported
}
