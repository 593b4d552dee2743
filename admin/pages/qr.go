package pages

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the blank border that a reader needs, in modules (ISO/IEC 18004).
const quiet = 4

// An Image is a QR code.
type Image struct{ code *qr.Code }

// QR encodes a text, such as an otpauth URI.
func QR(text string) (Image, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return Image{}, fmt.Errorf("make a QR code: %w", err)
	}
	return Image{code}, nil
}

// PNG draws it for programs.
func (i Image) PNG() []byte { return i.code.PNG() }

// SVG draws it for a page: black on white, whatever the page's colours, since
// few readers take the reverse.
func (i Image) SVG() string {
	var b strings.Builder
	size := i.code.Size + 2*quiet
	_, _ = fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img" aria-label="QR code of the secret">`, size, size)
	_, _ = fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="`, size, size)
	for y := range i.code.Size {
		for x := 0; x < i.code.Size; x++ {
			from := x
			for x < i.code.Size && i.code.Black(x, y) {
				x++
			}
			if x > from {
				_, _ = fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}
