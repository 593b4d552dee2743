package events

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// append writes an event as JSON, as its tags say. Each file operation is one:
// encoding/json took a tenth of the time of a small upload.
func (s *stored) append(b []byte) ([]byte, error) {
	if y := s.Time.Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("the year %d has no place in RFC 3339", y)
	}
	b = append(b, `{"position":`...)
	b = strconv.AppendUint(b, s.Position, 10)
	b = append(b, `,"time":"`...)
	b = s.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = appendText(append(b, `,"kind":`...), string(s.Kind))
	b = appendText(append(b, `,"outcome":`...), s.Outcome)
	for _, f := range [...]struct{ key, text string }{
		{`,"rule":`, s.Rule}, {`,"reference":`, s.Reference}, {`,"reason":`, s.Reason}, {`,"account":`, s.Account},
		{`,"account_id":`, s.AccountID}, {`,"group":`, s.Group}, {`,"actor":`, s.Actor}, {`,"credential":`, s.Credential},
		{`,"door":`, s.Door}, {`,"transport":`, s.Transport}, {`,"session":`, s.Session}, {`,"node":`, s.Node},
		{`,"path":`, s.Path}, {`,"target":`, s.Target},
	} {
		if f.text != "" {
			b = appendText(append(b, f.key...), f.text)
		}
	}
	if s.Address.IsValid() {
		b = appendText(append(b, `,"address":`...), s.Address.String())
	}
	for _, f := range [...]struct {
		key string
		n   int64
	}{{`,"bytes":`, s.Bytes}, {`,"took_ns":`, int64(s.Took)}} {
		if f.n != 0 {
			b = strconv.AppendInt(append(b, f.key...), f.n, 10)
		}
	}
	for _, f := range [...]struct {
		key  string
		what map[string]any
	}{{`,"before":`, s.Before}, {`,"after":`, s.After}} {
		if len(f.what) == 0 {
			continue
		}
		text, err := json.Marshal(f.what)
		if err != nil {
			return nil, err
		}
		b = append(append(b, f.key...), text...)
	}
	if len(s.Raw) > 0 {
		text, err := json.Marshal(s.Raw)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"raw":`...), text...)
	}
	return append(b, '}'), nil
}

// appendText quotes plain text by itself, and leaves the rest to encoding/json.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // of a string it never fails
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}
