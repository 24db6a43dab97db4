# `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help run test test-stack faults soak bench lint format contract-test contracts pacts stack stack-down requirements clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PORT ?= 8000
HOST ?= 127.0.0.1
PARLEY_DATA_DIR ?= data

# tests mostly wait: more of them than there are cores
TEST_PROCESSES ?= 3

ASYNCAPI_PARSER := tests/contract/asyncapi/node_modules/.package-lock.json

SERVICES := user_service chat_service gateway_ws bloom_service

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: export PARLEY_PORT = $(PORT)
run: export PARLEY_HOST = $(HOST)
run: export PARLEY_DATA_DIR := $(PARLEY_DATA_DIR)
run: $(VENV)/standalone ## Serve everything in one process (PORT, HOST, PARLEY_DATA_DIR)
	@exec $(BIN)/python -m standalone

test: lint $(if $(shell command -v npm),$(ASYNCAPI_PARSER)) ## Lint, and all tests but those that need the stack
	@$(BIN)/python -m tests.support.servers.install
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

test-stack: $(VENV)/dev ## Tests at RabbitMQ 4, and the end-to-end tests against a compose stack of their own
	@deploy/test_stack.sh $(BIN)/python

faults: $(VENV)/dev ## What is promised, while everything goes wrong, once: about six minutes (SEED, WITHIN=10 seconds)
	@$(BIN)/python -m tests.e2e.faults $(if $(SEED),--seed $(SEED)) $(if $(WITHIN),--within $(WITHIN))

soak: $(VENV)/dev ## The same by chance, for long (MINUTES=60, RATE=100 commands per second, CLIENTS=12, SEED, WITHIN)
	@$(BIN)/python -m tests.e2e.faults --minutes $(or $(MINUTES),60) --rate $(or $(RATE),100) \
	  $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(SEED),--seed $(SEED)) $(if $(WITHIN),--within $(WITHIN))

bench: $(VENV)/bench ## Measure beside the peers, about 20 minutes (QUICK=1: about 6; ONLY=fanout)
	@$(BIN)/python -m tests.support.servers.install
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

contract-test: $(VENV)/dev ## One service's side of the contracts alone (SERVICE=bloom_service)
	@[ -d "tests/contract/$(or $(SERVICE),?)" ] || { echo "SERVICE is one of: $(SERVICES)"; exit 2; }
	@$(BIN)/python -m tests.support.servers.install
	@$(BIN)/python -m pytest tests/contract/$(SERVICE)

pacts: $(VENV)/dev ## Write down what each service's tests say that it uses of the others
	@PARLEY_WRITE_PACTS=1 $(BIN)/python -m pytest --quiet $(wildcard tests/contract/*/test_pacts.py) -k uses

lint: $(VENV)/dev ## Style, types, and the import rules
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/dev ## Mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

contracts: $(VENV)/dev ## Release what changed in contracts/, and write its documents anew
	@$(BIN)/python -m contract_release

stack: .env ## Build and start the compose stack on 127.0.0.1:PARLEY_PORT (8080)
	@docker compose up --build --wait --detach
	@echo "Parley is ready: http://$$(docker compose port caddy 80)"

stack-down: ## Stop the compose stack; its data stay
	@docker compose down

.env:
	@umask 077; deploy/make_env.sh > $@

requirements: $(VENV)/dev ## Pin the newest versions of everything, with hashes
	@compile="$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url"; set -e; \
	$$compile requirements/dev.in -o requirements/dev.txt; \
	for name in standalone $(SERVICES) bench; do \
	  $$compile -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt; \
	done

clean: ## Remove the virtual environment and caches; data and .env stay
	@rm -rf $(VENV) tests/contract/asyncapi/node_modules bench/peers/{build,node/node_modules} \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(ASYNCAPI_PARSER): tests/contract/asyncapi/package-lock.json
	@echo "Installing the AsyncAPI parser ..."
	@npm ci --loglevel=error --prefix $(<D) >/dev/null
	@touch $@

$(BIN)/python:
	@deploy/make_venv.sh $(PYTHON) $(VENV)

define install
	@echo "Installing what $(1) (about a minute, only now and when it changes) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@
endef

$(VENV)/standalone: requirements/standalone.txt | $(BIN)/python
	$(call install,Parley needs)

$(VENV)/dev: requirements/dev.txt | $(BIN)/python
	$(call install,the tests need)
	@touch $(VENV)/standalone # of which dev is a superset

$(VENV)/bench: requirements/bench.txt $(VENV)/dev
	$(call install,the benchmarks need)
