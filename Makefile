# `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help run test test-stack lint format stack stack-down requirements clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

PORT ?= 8000
HOST ?= 127.0.0.1
PARLEY_DATA_DIR ?= data

SERVICES := user_service chat_service gateway_ws bloom_service

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/standalone ## Serve everything in one process (PORT, HOST, PARLEY_DATA_DIR)
	@PARLEY_PORT=$(PORT) PARLEY_HOST=$(HOST) PARLEY_DATA_DIR=$(PARLEY_DATA_DIR) exec $(BIN)/python -m standalone

test: lint ## Lint, and all tests but those that need the stack
	@$(BIN)/python -m pytest

test-stack: $(VENV)/dev ## The end-to-end tests, against a compose stack of their own
	@deploy/test_stack.sh $(BIN)/python

lint: $(VENV)/dev ## Style, types, and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-timing 2>&1 | tail -n 4; exit $${PIPESTATUS[0]}

format: $(VENV)/dev ## Mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

stack: .env ## Build and start the compose stack on 127.0.0.1:PARLEY_PORT (8080)
	@docker compose up --build --wait --detach
	@echo "Parley is ready: http://127.0.0.1:$$(. ./.env; echo $${PARLEY_PORT:-8080})"

stack-down: ## Stop the compose stack; its data stay
	@docker compose down

.env:
	@deploy/make_env.sh > $@.new && mv $@.new $@

requirements: $(VENV)/dev ## Pin the newest versions of everything, with hashes
	@compile="$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url"; set -e; \
	$$compile requirements/dev.in -o requirements/dev.txt; \
	for name in standalone $(SERVICES); do \
	  $$compile -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt; \
	done

clean: ## Remove the virtual environment and caches; data and .env stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@deploy/make_venv.sh $(PYTHON) $(VENV)

# dev holds everything that standalone does, so whichever is there already will do
$(VENV)/standalone: requirements/standalone.txt | $(VENV)/bin/python
	@echo "Installing what Parley needs (about a minute, only now and when it changes) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/dev: requirements/dev.txt | $(VENV)/bin/python
	@echo "Installing what the tests need (about a minute, only now and when it changes) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ $(VENV)/standalone
