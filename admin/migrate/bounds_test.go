package migrate

import (
	"strings"
	"testing"
)

func quotaOn(i *Import, tree string) string {
	for _, q := range i.Document.Quotas {
		if q.Path != tree {
			continue
		}
		var bytes, files int64
		if q.LimitBytes != nil {
			bytes = *q.LimitBytes
		}
		if q.LimitFiles != nil {
			files = *q.LimitFiles
		}
		return quotaText(bytes, files)
	}
	return ""
}

// The quotas that users have on folders that they share become one on the folder,
// by which nobody has less than it had.
func TestFolderQuotas(t *testing.T) {
	i, err := SFTPGo(strings.NewReader(`{"folders":[
	  {"name":"a","mapped_path":"/srv/a"},{"name":"b","mapped_path":"/srv/b"},{"name":"c","mapped_path":"/srv/c"},{"name":"d","mapped_path":"/srv/d"},{"name":"h","mapped_path":"/srv/one"}],
	 "users":[
	  {"username":"one","home_dir":"/srv/one","permissions":{"/":["*"]},"virtual_folders":[
	    {"name":"a","virtual_path":"/a","quota_size":100,"quota_files":3},{"name":"b","virtual_path":"/b","quota_size":100},
	    {"name":"c","virtual_path":"/c","quota_size":-1,"quota_files":-1},{"name":"d","virtual_path":"/d","quota_size":7,"quota_files":7}]},
	  {"username":"two","home_dir":"/srv/two","permissions":{"/":["*"]},"virtual_folders":[
	    {"name":"a","virtual_path":"/a","quota_size":200,"quota_files":2},{"name":"b","virtual_path":"/b"},
	    {"name":"h","virtual_path":"/h","quota_size":5}]}
	 ]}`), Options{Folders: []Folder{{"/srv", "/old"}}})
	if err != nil {
		t.Fatal(err)
	}
	for tree, want := range map[string]string{"/old/a": "200 bytes, 3 files", "/old/b": "", "/old/c": "", "/old/d": "7 bytes, 7 files", "/old/one": ""} {
		if got := quotaOn(i, tree); got != want {
			t.Errorf("%s: got %q, want %q", tree, got, want)
		}
	}
	for tree, what := range map[string]string{"/old/a": "the largest counts", "/old/b": "two had none there", "/old/one": "is the home of one"} {
		if !remarked(i, tree, what) {
			t.Errorf("nothing is said of %s: %+v", tree, i.Remarks)
		}
	}
	if !remarked(i, "one", "what is in /c counted in its own quota") || remarked(i, "/old/d", "") {
		t.Errorf("%+v", i.Remarks)
	}
}
