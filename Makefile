# Clonegate's front door: every target installs what it needs. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# npm brings the Node that everything runs on (node_modules/.bin/node), so an older one on the machine is enough to start.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# Set ONLY=<word> to run the tests whose path holds that word.
ONLY ?=
KEEP ?=
QUICK ?=
AGAIN ?=
NODE ?=
# Some words stand for several folders.
admission := unit/webhook integration/webhook trust decision policies
filter = $(if $(ONLY),$(or $(value $(ONLY)),$(ONLY)))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Not `npm ci`: it refuses a lock file that does not name the optional packages of every other platform. What the lock file does name is
# installed in exactly that version, and checked against its hash, by either.
node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo 'npm is missing: install Node.js 20 or newer (https://nodejs.org), which brings it' >&2; exit 1; }
	npm install --no-save --loglevel=error
	@touch $@

.PHONY: install
install: node_modules/.package-lock.json ## Install the npm packages, Node 24 among them

.PHONY: tools
tools: install ## Build the embedded control plane's binaries into the cache (once; minutes)
	@node test/support/cluster/main.ts build

.PHONY: demo
demo: tools ## Show the main job end to end on a real control plane (KEEP=1 leaves it running)
	@node test/demo/main.ts $(if $(KEEP),--keep)

.PHONY: test
test: tools ## Run all tests: unit, integration, e2e (ONLY=<word> for some)
ifeq ($(ONLY),)
	vitest run --project unit
# Side by side: each waits for control planes more than it computes, and has clusters of its own.
	@$(MAKE) --no-print-directory --jobs=$(words $(parts)) $(parts:%=part-%)
else
	vitest run $(filter)
endif

# All projects but unit; none takes much longer than the others.
parts := faults node webhook integration e2e
.PHONY: $(parts:%=part-%)
$(parts:%=part-%):
	vitest run --project $(@:part-%=%)

.PHONY: unit integration e2e
unit: install ## Run the unit tests
	vitest run --project unit $(filter)
integration: tools ## Run the integration tests (real API server)
	vitest run --project integration --project webhook $(filter)
e2e: tools ## Run the end-to-end tests (whole control plane, CSI driver, bytes; as root also pods on a real node)
	vitest run $(if $(filter rotation,$(ONLY)),--project integration --project webhook,--project e2e --project faults --project node) $(filter)

.PHONY: chart chart-readme
chart: tools ## Lint, render and try the chart: every mode, both Helms, oldest and newest Kubernetes, a real API server
	vitest run --project unit --project integration test/unit/chart test/integration/chart
	@node test/support/helm/conform.ts
chart-readme: install ## Write the table of values into the chart's README
	@node test/unit/chart/write-readme.ts

.PHONY: check
check: install ## Types, lint, format, layer rules, docs held against the tables
	tsc --noEmit
	oxlint --type-aware --deny-warnings
	biome ci --error-on-warnings .
	vitest run --project unit test/unit/house

.PHONY: bench
bench: tools ## Measure (ONLY=admission|execution|copy|image|scale, QUICK=1); fails on wrong answers and counts, never on times
	@node test/bench/main.ts $(if $(QUICK),--quick) $(ONLY)

.PHONY: fuzz
N ?= 100000
fuzz: install ## Throw N generated AdmissionReviews (100,000) at the webhook; the last line counts what got past it
	@node test/fuzz/main.ts --reviews $(N)

.PHONY: mutants
mutants: install ## Change each rule of decision and authorization; the last line counts what no test notices (ONLY=<word> for some)
	@node test/mutants/main.ts --only '$(ONLY)'

.PHONY: format
format: install ## Format everything
	biome check --write .

.PHONY: cluster
cluster: tools ## Start the embedded control plane alone and print how to reach it (Ctrl-C ends it; NODE=1 or 2 adds real nodes)
	@node test/support/cluster/main.ts $(if $(NODE),--tier node --nodes $(NODE),--tier storage)

.PHONY: image
image: install ## Build the container image without Docker, as root on Debian (AGAIN=1 builds it twice and compares)
	@node test/support/image/main.ts $(if $(AGAIN),--again)

.PHONY: csi-sanity
csi-sanity: tools ## Run the CSI conformance suite on the test driver
	@node test/support/csi/sanity.ts
