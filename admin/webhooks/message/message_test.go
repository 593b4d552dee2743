package message

import (
	"encoding/base64"
	"testing"
	"time"
)

// The example that the makers of Standard Webhooks give.
func TestSignature(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	m := Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), [][]byte{secret})
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; m.Signature != want {
		t.Errorf("signature %s, want %s", m.Signature, want)
	}
}

// Who has seen an id takes the message for one that it has had: another message
// under the same id would be lost.
func TestAnIDIsOfOneMessageAlone(t *testing.T) {
	at := time.Unix(1614265330, 1)
	same := ID("a", 7, at)
	if ID("a", 7, at.In(time.FixedZone("", 3600))) != same {
		t.Error("a try has another id than the one before")
	}
	for name, other := range map[string]string{
		"another webhook's": ID("b", 7, at), "another position": ID("a", 8, at), "the same position of a restored trail": ID("a", 7, at.Add(1)),
		"a test": TestID(),
	} {
		if other == same {
			t.Errorf("%s has the same id", name)
		}
	}
	if one, other := TestID(), TestID(); one == other {
		t.Error("two tests have one id")
	}
}
