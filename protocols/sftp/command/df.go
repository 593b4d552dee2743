package command

import (
	"context"

	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/subsystem"
	"gatehouse/protocols/sftp/words"
)

// block is the unit of df.
const block = 1024

// df prints the space above a path in the form of POSIX's df -kP: what is free
// is rounded down, what is used up.
func (r *run) df(ctx context.Context, args []words.Word) int {
	args, ok := options(args, "kP")
	if !ok || len(args) > 1 {
		return r.usage("[-k] [-P] [path]")
	}
	name := path.Root.String()
	if len(args) == 1 {
		name = args[0].Text
	}
	p, err := path.Parse(name)
	if err != nil {
		return r.fail(name, err)
	}
	space, err := r.FS.Space(ctx, p)
	if err != nil {
		return r.fail(name, err)
	}
	total, free := subsystem.Figures(space.Bytes, space.UsedBytes, space.FreeBytes)
	total, free = total/block, min(free, total)/block
	used, percent := total-free, uint64(0)
	if total > 0 {
		percent = (used*100 + total - 1) / total
	}
	tell(r.Out, "Filesystem 1024-blocks Used Available Capacity Mounted on\ngatehouse %d %d %d %d%% /\n", total, used, free, percent)
	return Done
}
