package admin

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// A Backuper writes a hot snapshot of the gateway, encrypted under passphrase.
type Backuper func(ctx context.Context, w io.Writer, passphrase string) error

// A Doctor looks for what keeps the gateway from serving well.
type Doctor func(ctx context.Context) []Finding

// A Finding is one thing that doctor looked at.
type Finding struct {
	Check  string `json:"check"`
	Level  string `json:"level" enum:"ok,warning,problem"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func (a *API) registerOperation(api huma.API) {
	huma.Register(api, operation("doctor", http.MethodGet, "/doctor", "Look for what is wrong", rightRead), a.doctor)
	huma.Register(api, operation("backup", http.MethodPost, "/backup", "Write a backup (local socket only)", rightSocket), a.backup)
	huma.Register(api, operation("version", http.MethodGet, "/version", "The version that runs", rightRead), a.version)
}

func (a *API) doctor(ctx context.Context, _ *nothing) (*bodyOf[[]Finding], error) {
	return &bodyOf[[]Finding]{a.Doctor(ctx)}, nil
}

type backupInput struct {
	Body struct {
		Passphrase string `json:"passphrase" minLength:"8" maxLength:"1024"`
	}
}

// backup streams: what fails midway breaks the connection, so that nobody
// takes half a backup for a whole one. The container is authenticated besides.
func (a *API) backup(_ context.Context, in *backupInput) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/octet-stream")
		if err := a.Backup(ctx.Context(), ctx.BodyWriter(), in.Body.Passphrase); err != nil {
			a.Log.Error("a backup failed", "error", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

type versionView struct {
	Version string `json:"version"`
}

func (a *API) version(context.Context, *nothing) (*bodyOf[versionView], error) {
	return &bodyOf[versionView]{versionView{a.Version}}, nil
}
