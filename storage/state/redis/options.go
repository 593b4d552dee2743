package redis

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"gatehouse/storage/state"
)

// Options say where Redis is and how it is used. Of these only URL is needed.
type Options struct {
	// URL is redis://[user[:password]@]host[:port][,host[:port]]...[/database]
	// [?setting=value&...]; rediss for TLS. Its settings are
	//
	//	cluster=true           the servers are some of a Cluster
	//	master=NAME            they are Sentinels, which know the master by this name
	//	sentinel_username=U, sentinel_password=P
	URL string
	// Username and Password, where not empty, come before those of the URL.
	Username, Password string
	// TLS, where not nil, is used with rediss: other roots, a certificate.
	TLS *tls.Config
	// Prefix begins all keys: letters, digits and "._:-". "gh:" where empty.
	Prefix string
	// Changes is how many batches the change log of a scope remembers, 10,000
	// where 0, and Keep how long after the last of them, an hour where 0.
	Changes int
	Keep    time.Duration
	// Timeout bounds one call in all: the wait for a connection, a connecting, the
	// answer and the retries; 3 s where 0.
	Timeout time.Duration
	// Connections is the most to each server; 10 for each processor where 0.
	Connections int
	// Wait is what changes wait for; the zero one for nothing.
	Wait Wait
	// Vital says which batches are made also where the server's memory is full, beside
	// those that make nothing larger; nil: none.
	Vital func(state.Batch) bool

	look time.Duration // set by tests, in place of lookEvery
}

const (
	defaultPrefix  = "gh:"
	defaultChanges = 10_000
	defaultKeep    = time.Hour
	defaultTimeout = 3 * time.Second
	defaultPort    = "6379"
)

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Changes <= 0 {
		o.Changes = defaultChanges
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.look <= 0 {
		o.look = lookEvery
	}
	return o
}

// Validate reports what is wrong with the options, as a state.ErrInvalid. It
// never tells a password.
func (o Options) Validate() error {
	if _, err := o.parse(); err != nil {
		return err
	}
	return o.Wait.validate()
}

// isCluster is asked of valid options.
func (o Options) isCluster() bool {
	u, err := o.parse()
	return err == nil && u.IsClusterMode
}

// connect makes a client, which connects when it is used. An answer may take
// longer by what the server waits before it.
func (o Options) connect(waits time.Duration) (goredis.UniversalClient, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	u, err := o.parse()
	if err != nil {
		return nil, err
	}
	u.DialTimeout, u.ReadTimeout, u.WriteTimeout, u.PoolTimeout = o.Timeout, o.Timeout+waits, o.Timeout, o.Timeout
	u.ContextTimeoutEnabled = true
	// Retries are the store's, which can tell what a call that failed has done.
	u.MaxRetries, u.DialerRetries = -1, 1
	u.PoolSize = o.Connections
	u.DisableIdentity = true
	u.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch client := goredis.NewUniversalClient(u).(type) {
	case *goredis.ClusterClient:
		client.OnNewNode(func(node *goredis.Client) { node.AddHook(once{}) })
		return client, nil
	case *goredis.Client:
		return client, nil
	default:
		return nil, fmt.Errorf("a client of the type %T", client)
	}
}

// prefixes are without what a pattern or a hash tag is made of.
var prefixes = regexp.MustCompile(`^[A-Za-z0-9._:-]+$`)

func (o Options) parse() (*goredis.UniversalOptions, error) {
	u, servers, err := cut(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Prefix != "" && !prefixes.MatchString(o.Prefix) {
		return nil, invalid("the prefix %q has more than letters, digits and . _ : -", o.Prefix)
	}
	to := &goredis.UniversalOptions{Addrs: servers, Username: u.User.Username()}
	to.Password, _ = u.User.Password()
	if o.Username != "" {
		to.Username = o.Username
	}
	if o.Password != "" {
		to.Password = o.Password
	}
	switch {
	case u.Scheme == "rediss" && o.TLS != nil:
		to.TLSConfig = o.TLS.Clone()
	case u.Scheme == "rediss":
		to.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	case o.TLS != nil:
		return nil, invalid("TLS is used with rediss:// alone")
	}
	if err := settings(to, u); err != nil {
		return nil, err
	}
	return to, nil
}

// settings reads the path and the query of a URL.
func settings(to *goredis.UniversalOptions, u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return invalid("the settings of the URL of Redis cannot be read")
	}
	for name, values := range query {
		switch value := values[len(values)-1]; name {
		case "cluster":
			if to.IsClusterMode, err = strconv.ParseBool(value); err != nil {
				return invalid("cluster in the URL of Redis is neither true nor false")
			}
		case "master":
			to.MasterName = value
		case "sentinel_username":
			to.SentinelUsername = value
		case "sentinel_password":
			to.SentinelPassword = value
		default:
			return invalid("the URL of Redis has a setting that is none of cluster, master, sentinel_username and sentinel_password")
		}
	}
	if path := strings.Trim(u.Path, "/"); path != "" {
		if to.DB, err = strconv.Atoi(path); err != nil || to.DB < 0 {
			return invalid("the database in the URL of Redis is not a number")
		}
	}
	switch {
	case to.IsClusterMode && to.MasterName != "":
		return invalid("cluster and master exclude each other")
	case to.IsClusterMode && to.DB != 0:
		return invalid("a Cluster has the database 0 alone")
	case !to.IsClusterMode && to.MasterName == "" && len(to.Addrs) > 1:
		return invalid("several servers are those of a Cluster (cluster=true) or Sentinels (master=NAME)")
	}
	return nil
}

// cut parses a URL that may have several servers. No error has a piece of it:
// where a password is not escaped any piece may be one of the password.
func cut(text string) (*url.URL, []string, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return nil, nil, invalid("the URL of Redis begins with neither redis:// nor rediss://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	if strings.Contains(tail, "@") {
		return nil, nil, invalid("the URL of Redis has an @ after its servers: in a password %%, @, /, ? and # are escaped")
	}
	who, where := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		who, where = authority[:at+1], authority[at+1:]
	}
	// What the parser has to say of it would tell the password.
	u, err := url.Parse(scheme + "://" + who + "server" + tail)
	if err != nil {
		return nil, nil, invalid("the URL of Redis cannot be read")
	}
	var servers []string
	for i, server := range strings.Split(where, ",") {
		address, ok := address(server)
		if !ok { // it may be a part of a password
			return nil, nil, invalid("server %d in the URL of Redis is neither host nor host:port", i+1)
		}
		servers = append(servers, address)
	}
	return u, servers, nil
}

// address adds the port where there is none.
func address(server string) (string, bool) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port, err = net.SplitHostPort(server + ":" + defaultPort)
	}
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || n == 0 || host == "" {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

func invalid(format string, values ...any) error {
	return fmt.Errorf("%w: %s", state.ErrInvalid, fmt.Sprintf(format, values...))
}
