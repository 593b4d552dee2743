package admin

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
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
	huma.Register(api, rest.Operation("doctor", http.MethodGet, "/doctor", "Look for what is wrong", rest.Read), a.lookForFaults)
	huma.Register(api, rest.Operation("backup", http.MethodPost, "/backup", "Write a backup (local socket only)", rest.Socket), a.writeBackup)
	huma.Register(api, rest.Operation("version", http.MethodGet, "/version", "The version that runs", rest.Read), a.tellVersion)
}

func (a *API) lookForFaults(ctx context.Context, _ *rest.Nothing) (*rest.Body[[]Finding], error) {
	return &rest.Body[[]Finding]{Body: a.doctor(ctx)}, nil
}

type backupInput struct {
	Body struct {
		Passphrase string `json:"passphrase" minLength:"8" maxLength:"1024"`
	}
}

// writeBackup streams: what fails midway breaks the connection, so that nobody
// takes half a backup for a whole one. The container is authenticated besides.
func (a *API) writeBackup(_ context.Context, in *backupInput) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/octet-stream")
		if err := a.backup(ctx.Context(), ctx.BodyWriter(), in.Body.Passphrase); err != nil {
			a.Log.Error("a backup failed", "error", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

type versionView struct {
	Version string `json:"version"`
}

func (a *API) tellVersion(context.Context, *rest.Nothing) (*rest.Body[versionView], error) {
	return &rest.Body[versionView]{Body: versionView{a.version}}, nil
}
