package main

import (
	"context"
	"slices"
)

// works are all rows of the table.
func (f *farm) works(z sizes) []*work {
	return slices.Concat(f.sftpWorks(z), f.ftpWorks(z), f.davWorks(z), f.memoryWorks(z))
}

// roster has all servers in the order of the table.
var roster = []struct {
	name    string
	arrange func(*farm) (*server, error)
}{
	{gatewayName, arrangeGateway},
	{floorName, arrangeFloor},
	{"sshd", arrangeSSHD},
	{"vsftpd", arrangeVSFTPD},
	{"proftpd", arrangeProFTPD},
	{"apache", arrangeApache},
	{"nginx", arrangeNginx},
}

// begin starts the servers that any of the works concerns.
func (f *farm) begin(ctx context.Context, z sizes, works []*work) error {
	if err := f.newSource(z.large); err != nil {
		return err
	}
	for _, r := range roster {
		if !slices.ContainsFunc(works, func(w *work) bool { return w.concerns(r.name) }) {
			continue
		}
		if err := f.add(ctx, r.arrange); err != nil {
			return err
		}
	}
	return nil
}
