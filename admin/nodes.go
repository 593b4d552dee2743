package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/storage/nodes"
)

func (a *API) registerNodes(api huma.API) {
	huma.Register(api, rest.Operation("list-nodes", http.MethodGet, "/nodes", "List the gateways that act as one; none where this one is alone", rest.Admin), a.listNodes)
}

// NodeView is a gateway that acts as one with others.
type NodeView struct {
	Node     string     `json:"node"`
	Epoch    string     `json:"epoch" doc:"names this run of it"`
	Address  string     `json:"address,omitempty"`
	Version  string     `json:"version,omitempty"`
	Since    time.Time  `json:"since"`
	LastBeat *time.Time `json:"last_beat,omitempty" doc:"when it was last heard of; absent where that is longer ago than its lease"`
	State    string     `json:"state" enum:"alive,silent,dead" doc:"silent: not heard of for its lease; dead: declared so, and what it left is being seen to"`
	Self     bool       `json:"self" doc:"the one that answers"`
}

func viewNode(n nodes.Node) NodeView {
	v := NodeView{Node: n.Node, Epoch: n.Epoch, Address: n.Address, Version: n.Version, Since: n.Since, State: "alive", Self: n.Self}
	if n.LastBeat.IsZero() {
		v.State = "silent"
	} else {
		v.LastBeat = &n.LastBeat
	}
	if !n.Dead.IsZero() {
		v.State = "dead"
	}
	return v
}

func (a *API) listNodes(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[NodeView], error) {
	list := []NodeView{}
	if a.nodes != nil {
		found, err := a.nodes.List(ctx)
		if err != nil {
			return nil, a.Problem(err)
		}
		for _, n := range found {
			list = append(list, viewNode(n))
		}
	}
	return rest.Piece(*in, list, func(n NodeView) string { return n.Node + " " + n.Since.UTC().Format(pieceTime) + " " + n.Epoch }), nil
}

// pieceTime writes moments so that they sort as text.
const pieceTime = "2006-01-02T15:04:05.000000000"
