package server

import (
	"encoding/hex"
	"errors"
	"path/filepath"

	"gatehouse/configs"
	"gatehouse/storage/seal"
)

// Sealer takes the key from the configuration, or keeps one in the data folder.
func Sealer(conf *configs.Config) (*seal.Sealer, error) {
	if conf.SecretKey == "" {
		return seal.LoadOrMake(filepath.Join(conf.Data, seal.FileName))
	}
	key, err := hex.DecodeString(conf.SecretKey)
	if err != nil || len(key) != 32 {
		return nil, errors.New("secret_key: takes 64 hexadecimal digits")
	}
	return seal.New(key)
}
