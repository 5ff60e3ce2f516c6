# `make run` starts everything; `make test` runs every test. Both install what they need first.
.PHONY: run build test test-rust test-web test-e2e lint tools tools-run tools-test web oracle property torture bench sqlx clean-data help

SHELL := /bin/bash
setup := .config/setup.sh
built := $(or $(CARGO_TARGET_DIR),target)

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Start everything on http://127.0.0.1:8080 with a demo workspace
	@exec $(built)/debug/tidings up

build: tools-run web ## Build the page and the binary
	@echo "==> Building the binary (the first time takes some minutes)"
	@cargo build -p app

tools: ## Fetch DuckDB's library, which the build links
	@.config/fetch-duckdb.sh

tools-run: ## Install what running needs
	@$(setup) run
	@.config/fetch-duckdb.sh

tools-test: ## Install what the tests need
	@$(setup) test
	@.config/fetch-duckdb.sh
	@.config/fetch-smtp.sh
	@.config/fetch-slack.sh
	@.config/fetch-llmock.sh

web: web/dist/index.html ## Build the page

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@echo "==> Installing the page's packages"
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web_sources := $(shell find web/src web/public web/index.html web/*.ts web/*.js -type f 2>/dev/null)

web/dist/index.html: web/node_modules/.package-lock.json $(web_sources)
	@echo "==> Building the page"
	@cd web && npm run --silent build
	@touch $@

test: tools-test web ## Run every test: Rust, page, end to end
	@.config/test.sh

test-rust: tools-test web ## Run the Rust tests
	@.config/test.sh rust

test-web: tools-test web ## Run the page's checks and unit tests
	@.config/test.sh web

test-e2e: tools-test web ## Run the browser's walk through the real binary
	@.config/test.sh e2e

lint: tools ## Formatting and lints, warnings refused
	@cargo fmt --check
	@cargo clippy --workspace --all-targets -- -D warnings

sqlx: tools ## Check the SQL against a fresh database again and rewrite .sqlx
	@.config/sqlx-prepare.sh

SEED ?= 7
oracle: build ## Compare schedule arithmetic with a fresh set of the independent oracle: make oracle SEED=n
	@.config/oracle.sh $(SEED)

yardstick := crates/bench/yardstick
$(yardstick)/node_modules/.package-lock.json: $(yardstick)/package.json $(yardstick)/package-lock.json
	@echo "==> Installing the queue that is measured beside"
	@cd $(yardstick) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

BENCH ?=
bench: tools-run web $(yardstick)/node_modules/.package-lock.json ## Measure, beside graphile-worker: make bench BENCH="--quick --only queue"
	@echo "==> Building with optimisations (the first time takes many minutes)"
	@cargo build --release -p app --features bench
	@$(built)/release/tidings bench $(BENCH)

SIZE ?= full
ROWS ?=
torture: tools-test ## Kill, freeze, cut and skew the real thing: make torture [ROWS=g1,g4] [SIZE=10%]
	@.config/torture.sh $(SIZE) $(ROWS)

property: tools-test ## Lead 20,000 random lives of tasks through the rules: make property, or SEED=n make property
	@cargo test --quiet -p scheduler --test it twenty_thousand -- --ignored --nocapture
