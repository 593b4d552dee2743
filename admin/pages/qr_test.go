package pages_test

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"regexp"
	"strconv"
	"testing"

	"gatehouse/admin/pages"
)

// A phone's camera reads the drawing, nobody else looks at each module: it must
// show what the picture for programs shows.
func TestTheDrawingIsThePicture(t *testing.T) {
	for _, text := range []string{"x", "otpauth://totp/Gatehouse:ann@example.org?algorithm=SHA1&digits=6&issuer=Gatehouse&period=30&secret=TGB5WQNSCGNPCHVP4RV6LMXFFO5GFMX7"} {
		code, err := pages.QR(text)
		must(t, err)
		must(t, xml.Unmarshal([]byte(code.SVG()), new(struct{})))
		picture, err := png.Decode(bytes.NewReader(code.PNG()))
		must(t, err)
		drawn := map[[2]int]bool{}
		for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1`).FindAllStringSubmatch(code.SVG(), -1) {
			x, y, n := number(m[1]), number(m[2]), number(m[3])
			for i := range n {
				drawn[[2]int{x + i, y}] = true
			}
		}
		size := number(regexp.MustCompile(`viewBox="0 0 (\d+)`).FindStringSubmatch(code.SVG())[1])
		scale := picture.Bounds().Dx() / size
		for y := range size {
			for x := range size {
				r, _, _, _ := picture.At(x*scale+scale/2, y*scale+scale/2).RGBA()
				if dark := r < 0x8000; dark != drawn[[2]int{x, y}] {
					t.Fatalf("module %d, %d is dark %v in the picture", x, y, dark)
				}
			}
		}
	}
	if _, err := pages.QR(string(make([]byte, 5000))); err == nil {
		t.Error("what is too long is drawn")
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
