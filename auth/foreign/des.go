package foreign

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"time"
)

// Traditional crypt(3): the password, 7 bits of each of its first 8 bytes, is the
// key under which DES (FIPS 46-3) encrypts a block of zeros 25 times, and 12 bits
// of salt say which outputs of the expansion E change places.
const (
	desTimes   = 25
	desRounds  = 16
	desKeySize = 8
	desSalt    = 2
	desLength  = 13 // letters: the salt and 64 bits
	desBlock   = 64
	desHalf    = desBlock / 2
)

// desCrypt is told apart by its letters and how many they are: it begins with its
// salt.
var desCrypt = format{check: checkDES, verify: verifyDES, cost: costDES}

func checkDES(s string) error {
	// Of the last letter two bits are not the block's, and clear.
	if len(s) != desLength || strings.Trim(s, letters) != "" || strings.IndexByte(letters, s[desLength-1])&3 != 0 {
		return ErrUnknown
	}
	return nil
}

func verifyDES(s string, password []byte) (bool, error) {
	if err := checkDES(s); err != nil {
		return false, err
	}
	return equal(encodeDES(computeDES(s[:desSalt], password)), s[desSalt:]), nil
}

func costDES([]string) (time.Duration, error) { return 0, nil }

// encodeDES writes a block as crypt does, the most significant bits first.
func encodeDES(block uint64) string {
	var text [desLength - desSalt]byte
	text[len(text)-1] = letters[block<<2&63]
	block >>= 4
	for i := len(text) - 2; i >= 0; i-- {
		text[i] = letters[block&63]
		block >>= 6
	}
	return string(text[:])
}

func computeDES(salt string, password []byte) uint64 {
	swap := swapOf(salt)
	keys := scheduleDES(password)
	var left, right uint32 // zeros stay zeros in the initial permutation
	for range desTimes {
		for _, key := range keys {
			left, right = right, left^rounded(right, key, swap)
		}
		// The final permutation and the next block's initial one cancel out.
		left, right = right, left
	}
	return permute(uint64(left)<<desHalf|uint64(right), desBlock, desFinal[:])
}

// swapOf reads the salt, the least significant bits first: each bit that is set
// lets a bit of the first half of E change places with that of the second.
func swapOf(salt string) uint32 {
	value := strings.IndexByte(letters, salt[0]) | strings.IndexByte(letters, salt[1])<<6
	return bits.Reverse32(uint32(value)) >> 8
}

// A roundKey is the 48 bits of a round, in halves.
type roundKey [2]uint32

// rounded is the cipher function of DES, with crypt's swap.
func rounded(right uint32, key roundKey, swap uint32) uint32 {
	first, second := expand(right), expand(bits.RotateLeft32(right, 16))
	moved := (first ^ second) & swap
	first ^= moved ^ key[0]
	second ^= moved ^ key[1]
	var out uint32
	for box := range 4 {
		shift := 18 - 6*box
		out |= desBoxes[box][first>>shift&63] | desBoxes[box+4][second>>shift&63]
	}
	return out
}

// expand makes half of E's output of the first 16 bits and their neighbours: four
// times six bits, each of which begins with the one before its four.
func expand(right uint32) uint32 {
	right = bits.RotateLeft32(right, -1)
	var out uint32
	for group := range 4 {
		out = out<<6 | bits.RotateLeft32(right, 4*group)>>26
	}
	return out
}

// scheduleDES makes the keys of all rounds.
func scheduleDES(password []byte) (keys [desRounds]roundKey) {
	var block [desKeySize]byte
	for i := range copy(block[:], password) {
		block[i] = password[i] << 1 // the lowest bit is for parity
	}
	const half, mask = 28, 1<<28 - 1
	all := permute(binary.BigEndian.Uint64(block[:]), desBlock, desChoice1[:])
	c, d := all>>half, all&mask
	for i, n := range desShifts {
		c = (c<<n | c>>(half-n)) & mask
		d = (d<<n | d>>(half-n)) & mask
		key := permute(c<<half|d, 2*half, desChoice2[:])
		keys[i] = roundKey{uint32(key >> 24), uint32(key & (1<<24 - 1))}
	}
	return keys
}

// permute picks bits of the width lowest of a word, counted from 1 at the most
// significant as the standard does.
func permute(from uint64, width int, order []byte) (to uint64) {
	for _, at := range order {
		to = to<<1 | from>>(width-int(at))&1
	}
	return to
}

// The tables of FIPS 46-3.
var (
	desFinal = [64]byte{
		40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13, 53, 21, 61, 29,
		36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
	}
	desChoice1 = [56]byte{
		57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
		63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
	}
	desChoice2 = [48]byte{
		14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
		41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
	}
	desShifts = [desRounds]uint{1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1}
	desMix    = [32]byte{
		16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
	}
	// desBoxes are the eight selection functions, each output already where the
	// permutation P puts it.
	desBoxes = mixed([8]string{
		"e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
		"f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
		"a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
		"7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
		"2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
		"c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
		"4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
		"d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
	})
)

// mixed reads selection functions as the standard has them: the outer two of six
// bits are the row, the inner four the column.
func mixed(boxes [8]string) (table [8][64]uint32) {
	for box, text := range boxes {
		for in := range table[box] {
			row, column := in>>4&2|in&1, in>>1&15
			digit := strings.IndexByte("0123456789abcdef", text[16*row+column])
			out := uint64(digit) << (desHalf - 4 - 4*box)
			table[box][in] = uint32(permute(out, desHalf, desMix[:]))
		}
	}
	return table
}
