# `make help` lists what there is. CI runs `make test`, which is also the README's.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  = -s -w -X main.version=$(VERSION)
TOOL     = $(GO) tool -modfile=.ci/tools/go.mod
# The packages whose tests take longest begin first; go test takes each once.
LONGEST  = ./protocols/ftp ./protocols/sftp ./protocols/protocoltest ./protocols/webdav ./policy/guard ./auth/session

.PHONY: build run test deps unit race lint fuzz e2e bench benchmarks torture crowd mutants size check help

build: ## build bin/gatehouse (the default)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/gatehouse ./cmd/gatehouse

run: build ## build and run the gateway: embedded store in ./data, no configuration
	./bin/gatehouse serve

test: deps lint race e2e ## install what the tests need, then everything that CI asks for

deps: ## install the stock clients and servers that the tests use (apt, root)
	.ci/deps

unit: ## go test ./...: fast, nothing to install
	$(GO) test ./...

race: ## all tests with the race detector, shuffled
	$(GO) run ./.ci/gotest -race -shuffle=on -parallel 4 -timeout 20m $(LONGEST) $$($(GO) list ./... | grep -v /cmd/) ./.ci/gotest golang.org/x/crypto/ssh

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./... ./.ci/mutants ./.ci/gotest
	$(TOOL) staticcheck ./... ./.ci/mutants ./.ci/gotest

fuzz: ## each fuzz target for 30 s
	.ci/fuzz 30s

e2e: ## scripts with stock clients (sftp, scp, lftp, curl, rclone, cadaver, davfs2, litmus) against the binary
	$(GO) run ./.ci/gotest -count=1 -parallel 3 -timeout 20m ./cmd/gatehouse ./cmd/...

bench: build ## the gateway beside OpenSSH, vsftpd, ProFTPD, Apache and nginx (docs/benchmarks.md; BENCH=-short to try)
	.ci/peers
	$(GO) build -trimpath -o bin/bench ./cmd/bench
	./bin/bench $(BENCH)

benchmarks: ## the Go benchmarks of all packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

torture: ## kill -9 under load, 200 rounds
	GATEHOUSE_TORTURE=200 $(GO) test -count=1 -timeout 60m -run 'Kill' -v ./storage/... ./cmd/...

crowd: ## 2,000 idle sessions at each door, 500 strangers in each manner: ten minutes
	GATEHOUSE_CROWD=2000 $(GO) test -count=1 -timeout 40m -run 'IdleSessions|StrangersShut|SlowClients' -v ./cmd/gatehouse

mutants: ## take each check of policy, guard, locks and quotas out in turn: a test must fail (long)
	$(GO) run ./.ci/mutants

size: ## files over 400 lines and packages over 2,000: a prompt to think
	@git ls-files '*.go' | grep -v -e _test.go -e ^third_party | xargs wc -l | awk '$$2!="total" && $$1>400 {print $$1, $$2}' | sort -rn
	@for d in $$($(GO) list -f '{{.Dir}}' ./...); do n=$$(cat $$(ls $$d/*.go | grep -v _test.go) 2>/dev/null </dev/null | wc -l); [ $$n -gt 2000 ] && echo "$$n $$d"; done; true

check: lint unit ## what to run before a commit

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
