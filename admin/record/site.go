package record

import (
	"encoding/json"
	"strings"

	"gatehouse/admin/rest"
)

// SitePatch is a merge patch of the site's policy in which networks may be written
// as addresses, as those of accounts may.
func SitePatch(patch []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(patch, &fields) != nil || fields["allowed_ips"] == nil {
		return patch, nil // what is no object, merging tells
	}
	var texts []string
	if json.Unmarshal(fields["allowed_ips"], &texts) != nil {
		return nil, rest.Invalid("allowed_ips", "is no list of addresses and networks such as 192.0.2.0/24")
	}
	if strings.TrimSpace(string(fields["allowed_ips"])) == "null" {
		return patch, nil
	}
	networks, err := parsePrefixes("allowed_ips", texts)
	if err != nil {
		return nil, err
	}
	if fields["allowed_ips"], err = json.Marshal(networks); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
