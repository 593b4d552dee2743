package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/goccy/go-yaml"

	"gatehouse/admin/document"
)

// accountsAtOnce is how many accounts one request carries.
const accountsAtOnce = 500

// A portion is as much of a document as one request carries.
type portion struct {
	Version  int               `json:"gatehouse"`
	Site     json.RawMessage   `json:"site,omitempty"`
	Groups   []json.RawMessage `json:"groups,omitempty"`
	Accounts []json.RawMessage `json:"accounts,omitempty"`
	Quotas   []json.RawMessage `json:"quotas,omitempty"`
}

// count is how many records it has.
func (p portion) count() int {
	n := len(p.Groups) + len(p.Accounts) + len(p.Quotas)
	if len(p.Site) > 0 {
		n++
	}
	return n
}

// portions reads a document, JSON or YAML, piece by piece: the accounts of JSON
// one by one, YAML document by document, so that a long one needs little memory.
func portions(r io.Reader) iter.Seq2[portion, error] {
	return func(yield func(portion, error) bool) {
		in := bufio.NewReaderSize(r, 1<<16)
		first, err := firstByte(in)
		if err != nil {
			yield(portion{}, err)
			return
		}
		give := func(p portion) bool { return yield(p, nil) }
		if first == '{' {
			err = jsonPortions(json.NewDecoder(in), give)
		} else {
			err = yamlPortions(in, give)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(portion{}, fmt.Errorf("read the document: %w", err))
		}
	}
}

// errEnough says that whoever reads wants no more.
var errEnough = errors.New("enough")

func firstByte(in *bufio.Reader) (byte, error) {
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("the document is empty")
		}
		if err != nil {
			return 0, err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return b, in.UnreadByte()
		}
	}
}

// yamlPortions gives each document of a stream, in pieces.
func yamlPortions(in *bufio.Reader, give func(portion) bool) error {
	var text bytes.Buffer
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		end := errors.Is(err, io.EOF)
		if !bytes.Equal(bytes.TrimRight(line, " \r\n"), []byte("---")) {
			text.Write(line)
			if !end {
				continue
			}
		}
		if err := yamlPortion(text.Bytes(), give); err != nil || end {
			return err
		}
		text.Reset()
	}
}

func yamlPortion(text []byte, give func(portion) bool) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	converted, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	if string(bytes.TrimSpace(converted)) == "null" { // nothing but comments
		return nil
	}
	return jsonPortions(json.NewDecoder(bytes.NewReader(converted)), give)
}

// jsonPortions gives the parts of one object. Site and groups come before the
// accounts that stand behind them, quotas of folders after all.
func jsonPortions(dec *json.Decoder, give func(portion) bool) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("a document is an object with gatehouse, site, groups, accounts and quotas"), err)
	}
	var quotas []json.RawMessage
	p := portion{Version: document.DocumentVersion}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "gatehouse":
			err = dec.Decode(&p.Version)
		case "site":
			err = dec.Decode(&p.Site)
		case "groups":
			err = dec.Decode(&p.Groups)
		case "accounts":
			err = accountPortions(dec, &p, give)
		case "quotas":
			err = dec.Decode(&quotas)
		default:
			err = fmt.Errorf("%v is not a part of a document: gatehouse, site, groups, accounts, quotas", key)
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	p.Quotas = quotas
	if !give(p) {
		return errEnough
	}
	return nil
}

func accountPortions(dec *json.Decoder, p *portion, give func(portion) bool) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		if t == nil && err == nil {
			return nil // null
		}
		return errors.Join(errors.New("accounts is no list"), err)
	}
	for dec.More() {
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			return err
		}
		if p.Accounts = append(p.Accounts, one); len(p.Accounts) < accountsAtOnce {
			continue
		}
		if !give(*p) {
			return errEnough
		}
		*p = portion{Version: p.Version}
	}
	_, err := dec.Token()
	return err
}
