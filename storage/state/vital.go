package state

import "context"

type vital struct{}

// Vital marks the calls under a context as ones that a store makes also where it is
// full: what makes room, and what has to be there before somebody may make it.
func Vital(ctx context.Context) context.Context { return context.WithValue(ctx, vital{}, true) }

// IsVital reports whether a call is marked by Vital.
func IsVital(ctx context.Context) bool { return ctx.Value(vital{}) != nil }
