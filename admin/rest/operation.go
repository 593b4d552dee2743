package rest

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// Page is a piece of a list; next_cursor is absent at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty"`
}

// PageInput asks for a piece of a list whose answer is the list alone: the header
// Next-Cursor goes on.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"at most so many; 0 is all"`
	Cursor string `query:"cursor" maxLength:"2000" doc:"the Next-Cursor of the answer before"`
}

// ListOutput is a list, or a piece of one.
type ListOutput[T any] struct {
	Next string `header:"Next-Cursor"`
	Body []T
}

// Piece cuts what is asked for out of a list that is in the order of its keys,
// which tell its members apart.
func Piece[T any](in PageInput, list []T, key func(T) string) *ListOutput[T] {
	if in.Cursor != "" {
		at := slices.IndexFunc(list, func(x T) bool { return key(x) > in.Cursor })
		if at < 0 {
			at = len(list)
		}
		list = list[at:]
	}
	out := &ListOutput[T]{Body: append([]T{}, list...)}
	if in.Limit > 0 && len(list) > in.Limit {
		out.Body = out.Body[:in.Limit]
		out.Next = key(out.Body[in.Limit-1])
	}
	return out
}

// NameInput names the record that a request is about.
type NameInput struct {
	Name string `path:"name" maxLength:"400"`
}

// ConfirmInput lets a change end the caller's own session.
type ConfirmInput struct {
	Confirm string `query:"confirm" enum:"self" doc:"self: the change may end the caller's own session"`
}

// MatchInput asks that a record is as it was read.
type MatchInput struct {
	IfMatch string `header:"If-Match"`
}

// ItemInput names one thing that a record has, by its id.
type ItemInput struct {
	NameInput
	MatchInput
	ID string `path:"id"`
}

// Created says that an operation answers 201.
func Created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

// Body is an answer, or a request, that is its body alone.
type Body[T any] struct{ Body T }

// Nothing is a request or an answer without any.
type Nothing struct{}

// Operation describes an operation and who may call it.
func Operation(id, method, path, summary string, needs Right) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		Metadata: map[string]any{"right": needs}, MaxBodyBytes: 1 << 20,
	}
	// A merge patch may be null anywhere, which its schema cannot say: merge and
	// the store judge it.
	op.SkipValidateBody = method == http.MethodPatch
	if method == http.MethodPost || method == http.MethodDelete || method == http.MethodPut {
		op.DefaultStatus = http.StatusOK
	}
	return op
}

// TakesJSON describes the body of a registered operation that reads it as text.
func TakesJSON[T any](api huma.API, op huma.Operation) {
	at := api.OpenAPI().Paths[op.Path]
	for _, known := range []*huma.Operation{at.Post, at.Put, at.Patch} {
		if known == nil || known.OperationID != op.OperationID {
			continue
		}
		schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
		known.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
	}
}
