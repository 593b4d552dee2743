package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"gatehouse/cmd/kept"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Names among what is kept for all nodes.
const (
	keptSelfSigned = "self-signed.pem"
	keptACME       = "acme/"
	keptOrder      = "acme-order"
)

// sharedSelfSigned is selfSigned for nodes that have one certificate together: the
// state's, which begins as the one of the first node's folder. It is for the names
// of all nodes.
func sharedSelfSigned(ctx context.Context, k *kept.Keeper, dir string, hosts []string) (*tls.Certificate, error) {
	text, err := k.Once(ctx, keptSelfSigned, func() ([]byte, error) {
		if text, err := readSelfSigned(dir); err != nil || text != nil {
			return text, err
		}
		return makeSelfSigned(nil, hosts, time.Now())
	})
	if err != nil {
		return nil, fmt.Errorf("share the self-signed certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(text, text)
	if err == nil && fresh(pair.Leaf, hosts) {
		return &pair, nil
	}
	err = typed.Retry(func() error {
		text, err = renewSelfSigned(ctx, k, hosts)
		return typed.Again(err)
	})
	if err != nil {
		return nil, fmt.Errorf("renew the self-signed certificate: %w", err)
	}
	pair, err = tls.X509KeyPair(text, text)
	return &pair, err
}

// renewSelfSigned makes it anew for its key, its names and hosts, where nobody else
// has done so.
func renewSelfSigned(ctx context.Context, k *kept.Keeper, hosts []string) ([]byte, error) {
	text, revision, err := k.Get(ctx, keptSelfSigned)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err == nil && fresh(pair.Leaf, hosts) {
		return text, nil
	}
	key, _ := pair.PrivateKey.(*ecdsa.PrivateKey)
	if err == nil {
		hosts = append(namesOf(pair.Leaf), hosts...)
	}
	if text, err = makeSelfSigned(key, hosts, time.Now()); err != nil {
		return nil, err
	}
	return text, k.Put(ctx, keptSelfSigned, text, revision)
}

// A sharedCache keeps what ACME has given for all nodes. What is only in the folder
// of this one, from a time when it was alone, is the first that all have.
type sharedCache struct {
	kept   *kept.Keeper
	folder autocert.DirCache
}

// Get implements autocert.Cache.
func (c sharedCache) Get(ctx context.Context, name string) ([]byte, error) {
	value, _, err := c.kept.Get(ctx, keptACME+name)
	if !errors.Is(err, state.ErrNotFound) {
		return value, err
	}
	if value, err = c.folder.Get(ctx, name); err != nil {
		return nil, err
	}
	return c.kept.Once(ctx, keptACME+name, func() ([]byte, error) { return value, nil })
}

// Put implements autocert.Cache.
func (c sharedCache) Put(ctx context.Context, name string, value []byte) error {
	return c.kept.Replace(ctx, keptACME+name, value)
}

// Delete implements autocert.Cache.
func (c sharedCache) Delete(ctx context.Context, name string) error {
	return errors.Join(c.kept.Delete(ctx, keptACME+name), c.folder.Delete(ctx, name))
}

const (
	// orderLife is how long an order is waited for whose node says nothing more.
	orderLife = 2 * time.Minute
	orderLook = time.Second
	// orderPatience is how long one handshake waits for another node's order.
	orderPatience = time.Minute
)

// order gets a certificate by ACME: what one node has ordered the others take, and
// none orders while another does.
func (s *Source) order(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.config.Kept == nil || isChallenge(hello) || s.known(hello.ServerName) {
		return s.acme.GetCertificate(hello)
	}
	ctx, cancel := context.WithTimeout(hello.Context(), orderPatience)
	defer cancel()
	mine, err := s.turn(ctx, hello.ServerName)
	if err != nil {
		return nil, fmt.Errorf("wait for a certificate that another node orders: %w", err)
	}
	pair, err := s.acme.GetCertificate(hello)
	if err != nil { // the claim ends by itself: nobody asks again at once
		return nil, err
	}
	s.mu.Lock()
	s.ordered[hello.ServerName] = true
	s.mu.Unlock()
	if mine {
		_ = s.config.Kept.Delete(context.WithoutCancel(ctx), keptOrder) // it ends by itself, too
	}
	return pair, nil
}

// turn returns when a certificate is there, or when it is this node's to order it.
func (s *Source) turn(ctx context.Context, name string) (mine bool, err error) {
	tick := time.NewTicker(orderLook)
	defer tick.Stop()
	for {
		if there, err := s.cached(ctx, name); there || err != nil {
			return false, err
		}
		if mine, err := s.config.Kept.Claim(ctx, keptOrder, s.holder, orderLife); mine || err != nil {
			return mine, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// cached reports whether there is a certificate that holds.
func (s *Source) cached(ctx context.Context, name string) (bool, error) {
	text, err := s.acme.Cache.Get(ctx, name)
	if errors.Is(err, autocert.ErrCacheMiss) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	pair, err := tls.X509KeyPair(text, text)
	return err == nil && time.Now().Before(pair.Leaf.NotAfter), nil
}

// known reports that nothing is ordered for a name: it was before, or nobody may.
func (s *Source) known(name string) bool {
	if s.acme.HostPolicy(context.Background(), name) != nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ordered[name]
}

// isChallenge tells ACME's own handshakes (RFC 8737, section 3).
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}
