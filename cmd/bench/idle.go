package main

import (
	"context"
	"errors"
)

// idle measures what sessions hold that have done nothing yet: what their logins
// have left is given up before.
func (f *farm) idle(z sizes, dial dialer) func(context.Context, *meter) error {
	return f.occupied(z.sessions, dial, func(ctx context.Context, m *meter, _ []session) (int64, error) {
		return m.server.collected(ctx)
	})
}

// rested measures sessions that have moved a file both ways and then rested, with
// all that the server has not given back by itself.
func (f *farm) rested(z sizes, dial dialer) func(context.Context, *meter) error {
	return f.occupied(z.resting, dial, func(ctx context.Context, m *meter, all []session) (int64, error) {
		for _, s := range all {
			if err := move(s, uploaded, z.moved); err != nil {
				return 0, err
			}
		}
		if err := pause(ctx, z.rest); err != nil {
			return 0, err
		}
		return m.server.running.memory()
	})
}

// occupied measures what sessions add to a server that has had one before.
func (f *farm) occupied(n int, dial dialer, work func(context.Context, *meter, []session) (int64, error)) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		first, err := dial(ctx, m.server)
		if err != nil {
			return err
		}
		first.close()
		before, err := m.server.collected(ctx)
		if err != nil {
			return err
		}
		if err := m.begin(ctx); err != nil {
			return err
		}
		all, err := openAll(n, func() (session, error) { return dial(ctx, m.server) })
		defer closeAll(all)
		if err != nil {
			return err
		}
		after, err := work(ctx, m, all)
		m.sample.Memory = float64(after-before) / float64(n)
		return errors.Join(err, m.end(ctx, float64(n)))
	}
}
