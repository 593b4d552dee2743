package auth

import (
	"context"
	"time"

	"gatehouse/auth/foreign"
)

// margin is what a refusal's own writes may take beside the hash: failures are
// counted for some outcomes and not for others.
const margin = 50 * time.Millisecond

// Floor is how long a refusal takes at least: the time of the dearest hash in
// the store, so that an account that has it answers no later than one without.
func (z *Authenticator) Floor() time.Duration {
	own := z.hasher.params.cost()
	dearest := own
	for _, scheme := range z.accounts.PasswordSchemes() {
		// What is not as new hashes are costs a new one as well: where it was right
		// it is replaced, else the dummy is verified.
		p, err := parseScheme(scheme)
		switch {
		case err == nil && p == z.hasher.params:
		case err == nil:
			dearest = max(dearest, own+p.cost())
		default:
			if d, err := foreign.Cost(scheme); err == nil {
				dearest = max(dearest, own+float64(d)/float64(foreign.Reference)*DefaultParams().cost())
			}
		}
	}
	ratio := dearest / own
	return time.Duration(float64(z.base.Load())*ratio*1.5) + margin
}

// Settle waits until a refusal that began at a moment may be told: after the
// floor or, where it took longer, after a whole number of floors, so that what
// differs by little is not seen.
func (z *Authenticator) Settle(ctx context.Context, began time.Time) {
	floor := z.Floor()
	rounds := time.Since(began)/floor + 1
	t := time.NewTimer(time.Until(began.Add(rounds * floor)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// took notes how long a hash of the present parameters took. The shortest is
// what one costs: the others waited for the processor.
func (z *Authenticator) took(d time.Duration) {
	for {
		base := z.base.Load()
		if int64(d) >= base || z.base.CompareAndSwap(base, int64(d)) {
			return
		}
	}
}
