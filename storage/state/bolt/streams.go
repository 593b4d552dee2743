package bolt

import (
	"context"

	"gatehouse/storage/state"
)

// Append implements state.Store.
func (s *Store) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	s.loading.RLock()
	defer s.loading.RUnlock()
	return s.streams.Append(ctx, stream, id, entries...)
}

// Read implements state.Store.
func (s *Store) Read(ctx context.Context, stream string, after uint64, limit int) ([]state.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	return s.streams.Read(stream, after, limit)
}

// ReadBack implements state.Store.
func (s *Store) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	return s.streams.ReadBack(stream, before, limit)
}

// Damaged returns where files of the streams were found damaged since the store
// was opened.
func (s *Store) Damaged() []string { return s.streams.Damaged() }

// Trim implements state.Store.
func (s *Store) Trim(ctx context.Context, stream string, upTo uint64) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.loading.RLock()
	defer s.loading.RUnlock()
	return s.streams.Trim(ctx, stream, upTo)
}
