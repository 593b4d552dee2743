package wire

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"math"
	"testing"
	"time"
)

// The packets byte by byte, as the draft lays them out.
func TestReplies(t *testing.T) {
	names := NewNames(nil, 7)
	names.Add("n", []byte("long"), Attrs{Has: HasSize, Size: 5})
	withData := append(make([]byte, DataHeader), "abc.."...)
	tests := map[string]struct {
		got  []byte
		want string
	}{
		"version": {AppendVersion(nil, []Extension{{"e@x", "2"}}), "00000011" + "02" + "00000003" + "00000003" + "654078" + "00000001" + "32"},
		"status":  {AppendStatus(nil, 7, NoSuchFile, "no"), "00000015" + "65" + "00000007" + "00000002" + "00000002" + "6e6f" + "00000002" + "656e"},
		"handle":  {AppendHandle(nil, 7, "h"), "0000000a" + "66" + "00000007" + "00000001" + "68"},
		"data":    {PutData(withData, 7, 3), "0000000c" + "67" + "00000007" + "00000003" + "616263"},
		"name": {names.Packet(), "00000022" + "68" + "00000007" + "00000001" + "00000001" + "6e" +
			"00000004" + "6c6f6e67" + "00000001" + "0000000000000005"},
		"attrs": {AppendAttrs(nil, 7, Attrs{Has: HasOwner | HasMode | HasTimes, UID: 1, GID: 2, Mode: 0o100644, Accessed: 3, Modified: 4}),
			"0000001d" + "69" + "00000007" + "0000000e" + "00000001" + "00000002" + "000081a4" + "00000003" + "00000004"},
		"extended": {AppendExtended(nil, 7, 1, math.MaxUint64), "00000015" + "c9" + "00000007" + "0000000000000001" + "ffffffffffffffff"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want, err := hex.DecodeString(test.want)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(test.got, want) {
				t.Errorf("got %x, want %x", test.got, want)
			}
		})
	}
}

func TestMode(t *testing.T) {
	tests := map[fs.FileMode]uint32{
		0o640:                              0o100640,
		fs.ModeDir | 0o750:                 0o040750,
		fs.ModeSymlink | 0o777:             0o120777,
		fs.ModeNamedPipe | 0o600:           0o600,
		fs.ModeSetuid | 0o755:              0o100755,
		fs.ModeDir | fs.ModeSticky:         0o040000,
		fs.ModeDevice | 0o666:              0o666,
		fs.ModeDir | fs.ModeSetgid | 0o777: 0o040777,
	}
	for in, want := range tests {
		if got := Mode(in); got != want {
			t.Errorf("Mode(%v) is %o, want %o", in, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	tests := map[time.Time]uint32{
		time.Unix(1, 5):     1,
		time.Unix(-1, 0):    0,
		{}:                  0,
		time.Unix(1<<40, 0): math.MaxUint32,
	}
	for in, want := range tests {
		if got := Seconds(in); got != want {
			t.Errorf("Seconds(%v) is %d, want %d", in, got, want)
		}
	}
}
