// Package configs is the gateway's configuration: the struct, its defaults, and
// how file, environment and flags are laid over them. It is data; what is
// policy lives in the store and is changed while running.
package configs

import (
	"time"
)

// Config is the whole configuration. Every key of the file is a yaml tag here.
type Config struct {
	Data           string        `yaml:"data"`
	SiteURL        string        `yaml:"site_url"`
	Hosts          []string      `yaml:"hosts"`
	Listen         Listen        `yaml:"listen"`
	SFTP           SFTP          `yaml:"sftp"`
	FTP            FTP           `yaml:"ftp"`
	TLS            TLS           `yaml:"tls"`
	State          State         `yaml:"state"`
	Node           Node          `yaml:"node"`
	Mounts         []Mount       `yaml:"mounts"`
	TrustedProxies []string      `yaml:"trusted_proxies"`
	ProxyProtocol  []string      `yaml:"proxy_protocol"`
	Webhooks       Webhooks      `yaml:"webhooks"`
	Log            Log           `yaml:"log"`
	SecretKey      string        `yaml:"secret_key" secret:"true"`
	ShutdownDelay  time.Duration `yaml:"shutdown_delay"`
	ShutdownGrace  time.Duration `yaml:"shutdown_grace"`
	QuotaCheck     time.Duration `yaml:"quota_check"`
}

// Listen holds the address of each door; empty closes it.
type Listen struct {
	SFTP    string `yaml:"sftp"`
	FTP     string `yaml:"ftp"`
	FTPS    string `yaml:"ftps"`
	HTTP    string `yaml:"http"`
	HTTPS   string `yaml:"https"`
	Metrics string `yaml:"metrics"`
}

// SFTP configures the SFTP door.
type SFTP struct {
	HostKeys []string           `yaml:"host_keys"`
	Legacy   []LegacyAlgorithms `yaml:"legacy"`
}

// LegacyAlgorithms are offered to clients of a network that know nothing better.
type LegacyAlgorithms struct {
	From       string   `yaml:"from" json:"from"`
	Algorithms []string `yaml:"algorithms" json:"algorithms"`
}

// FTP configures the FTP door.
type FTP struct {
	PassivePorts  string        `yaml:"passive_ports"`
	PublicAddress PublicAddress `yaml:"public_address"`
	TLS           string        `yaml:"tls"`
	Active        bool          `yaml:"active"`
	SessionReuse  string        `yaml:"tls_session_reuse"`
}

// TLS names the certificate that HTTPS and FTPS share.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ACME        ACME   `yaml:"acme"`
}

// ACME gets certificates by itself where domains are named.
type ACME struct {
	Domains   []string `yaml:"domains"`
	Email     string   `yaml:"email"`
	Directory string   `yaml:"directory"`
}

// State names the store. All but Kind is for redis alone.
type State struct {
	Kind   string `yaml:"kind"`
	URL    string `yaml:"url" secret:"true"`
	Prefix string `yaml:"prefix"`
	// Away says what a login gets while the store is away.
	Away string `yaml:"away"`
	// Durability says what a store that can lose acknowledged changes gets.
	Durability string `yaml:"durability"`
	// WaitReplicas and WaitAOF are what a change of accounts waits for, and
	// WaitTimeout for how long.
	WaitReplicas int           `yaml:"wait_replicas"`
	WaitAOF      bool          `yaml:"wait_aof"`
	WaitTimeout  time.Duration `yaml:"wait_timeout"`
}

// Redis is the kind of state that several gateways share, ReadOnly what a login may
// get while it is away.
const (
	Redis    = "redis"
	ReadOnly = "read_only"
)

// Node is this gateway among those that share a state.
type Node struct {
	Name  string        `yaml:"name"`
	Lease time.Duration `yaml:"lease"`
}

// Mount is a folder of the machine at a place of the tree.
type Mount struct {
	Path     string `yaml:"path" json:"path"`
	Kind     string `yaml:"kind" json:"kind"`
	Dir      string `yaml:"dir" json:"dir"`
	UID      int    `yaml:"uid" json:"uid"`
	GID      int    `yaml:"gid" json:"gid"`
	FileMode string `yaml:"file_mode" json:"file_mode"`
	DirMode  string `yaml:"dir_mode" json:"dir_mode"`
	Fsync    string `yaml:"fsync" json:"fsync"`
	// CaseFolding says that it is known that the file system folds case.
	CaseFolding bool `yaml:"case_folding" json:"case_folding"`
}

// Webhooks says where webhooks may lead beside the public addresses, and who vouches
// for what answers there.
type Webhooks struct {
	// Allow holds addresses and networks that are reached although they are private.
	Allow []string `yaml:"allow"`
	// CA is a file of certificate authorities, beside the system's.
	CA string `yaml:"ca"`
}

// Log configures the log on standard error.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// PublicAddress is what passive FTP announces: for a client's network, or for
// all (From empty), an address or a DNS name.
type PublicAddress []PublicRule

// PublicRule is one entry of a PublicAddress.
type PublicRule struct {
	From    string `yaml:"from" json:"from"`
	Address string `yaml:"address" json:"address"`
}

// Default returns the configuration of a gateway that was told nothing.
// "DATA" in a mount's folder stands for the data folder.
func Default() Config {
	return Config{
		Data: "./data",
		Listen: Listen{
			SFTP: ":2022", FTP: ":2121", HTTP: "127.0.0.1:8080", HTTPS: ":8443", Metrics: "127.0.0.1:9080",
		},
		FTP:           FTP{PassivePorts: "50000-50099", TLS: "optional", SessionReuse: "offered"},
		State:         State{Kind: "bolt", Prefix: "gh:", Away: "refuse", Durability: "warn", WaitTimeout: 3 * time.Second},
		Node:          Node{Lease: 15 * time.Second},
		Mounts:        []Mount{defaultMount()},
		Log:           Log{Level: "info", Format: "text"},
		ShutdownGrace: 30 * time.Second,
		QuotaCheck:    24 * time.Hour,
	}
}

func defaultMount() Mount {
	return Mount{
		Path: "/", Kind: "local", Dir: "DATA/files", UID: -1, GID: -1,
		FileMode: "0640", DirMode: "0750", Fsync: "close",
	}
}
