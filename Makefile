# Two commands to know: `make demo` and `make test`. Everything else serves them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JUDGES := tests/judges/node_modules/.installed
PYTHON ?= python3
# Most of a test's time is waiting for servers; each process has its own Temporal, sandbox and Odoo.
# Files start in the order they are named in: by the number of their tests the longest would be last.
APART := --dist loadfile --no-loadscope-reorder
# Each file leads dozens of contracts at once, which takes a processor.
CAMPAIGN := -n 2 --dist loadfile tests/campaign
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests start hundreds of processes: without what Python keeps compiled each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

FAULT_SEEDS := $(or $(SEEDS),10000)

.PHONY: help demo dev test test-fast browser bench explore faults hosts fuzz-api campaign wheel lint format docs lock histories clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml requirements/dev.txt requirements/schemas.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or later is needed ($(PYTHON) not found)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	@echo "Setting up $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/schemas.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Parsers of others that tests hold our requests against. Without Node those tests fail.
$(JUDGES): tests/judges/package.json tests/judges/package-lock.json
	@if command -v npm >/dev/null; then \
	    npm ci --prefix tests/judges --no-audit --no-fund --loglevel error && touch $@; \
	else \
	    echo "Node 20 with npm is needed by tests/unit/crm, tests/unit/web and others (npm not found)"; \
	fi

demo: $(STAMP) ## seven contracts from signature to cash (ODOO=real: on a real Odoo 19; KEEP=1: stay up)
	@c2c demo $(if $(ODOO),--odoo $(ODOO)) $(if $(KEEP),--keep)

dev: $(STAMP) ## the whole local stack in the foreground (KEEP=1: with the data of the last time)
	@c2c dev $(if $(ODOO),--odoo $(ODOO)) $(if $(KEEP),--keep-data)

test: $(STAMP) $(JUDGES) ## everything, the real Odoo included (minutes more the first time: it is fetched)
	@python -m sandbox.real_odoo prepare
	@python -m pytest -n 3 $(APART)
	@python -m tests.explore --transitions 1000000
	@python -m pytest $(CAMPAIGN)

test-fast: $(STAMP) $(JUDGES) ## what is quick and needs no Odoo: domain, gateways, workflows on the stand-in, replay
	@python -m pytest -n 4 $(APART) -m "not real and not long" tests/workflows tests/connectors tests/activities tests/replay tests/unit

browser: $(STAMP) ## the pages in Chromium, with axe (needs Debian's chromium; SCREENSHOTS=folder: pictures of them)
	@SCREENSHOTS=$(SCREENSHOTS) python -m pytest tests/browser

bench: $(STAMP) ## what the product is measured by (ONLY=name: that one; QUICK=1: small sizes, minutes)
	@python -m sandbox.real_odoo prepare
	@python -m benchmarks $(ONLY) $(if $(QUICK),--quick) --json .run/bench.json --chart .run/bench.png

explore: $(STAMP) ## every way of small contracts, random ways of large ones (TRANSITIONS=n: how far, SEED=k: elsewhere)
	@python -m tests.explore $(if $(TRANSITIONS),--transitions $(TRANSITIONS)) $(if $(SEED),--seed $(SEED))

fuzz-api: $(STAMP) ## /api/v1, /codec and the login (EXAMPLES=n: requests for each operation)
	@C2C_API_EXAMPLES=$(or $(EXAMPLES),200) python -m pytest -q tests/fuzz/test_api_document.py tests/unit/web/login/test_fuzzed.py

faults: $(STAMP) ## contracts through kills, cuts and restarts (SEEDS=n: how many; a tenth on a real Odoo)
	@python -m sandbox.real_odoo prepare
	@python -m faultlab --seeds $(FAULT_SEEDS)

hosts: $(STAMP) ## the same on five hosts whose links are cut and slow (SEEDS=n: 200; needs the right to make networks)
	@python -m sandbox.real_odoo prepare
	@python -m faultlab --hosts --only F16 --seeds $(or $(SEEDS),200) --real $(or $(SEEDS),200) --report .run/hosts.json

campaign: $(STAMP) ## the fault campaign alone: 500 lives, mutations, recovery, full disks (20 minutes)
	@python -m sandbox.real_odoo prepare
	@python -m pytest $(CAMPAIGN)

wheel: $(STAMP) ## the wheel, in dist/
	@rm -rf build *.egg-info # setuptools would pack what an earlier build left there
	@python -m build --wheel --no-isolation
	@rm -rf build *.egg-info

lint: $(STAMP) ## ruff, strict mypy, import direction
	@ruff check . && ruff format --check . && mypy && python -m pytest -q tests/unit/test_architecture.py

format: $(STAMP) ## let ruff tidy up
	@ruff check --fix . && ruff format .

docs: $(STAMP) ## write the pages that are generated from the code's tables
	@python docs/generate_exceptions.py && python docs/generate_connectors.py && python docs/generate_analytics.py && python docs/generate_capacity.py

lock: $(STAMP) ## pin every dependency with hashes
	@command -v uv >/dev/null || $(BIN)/pip install --quiet uv
	@uv pip compile pyproject.toml --extra local --extra analytics --extra s3 --extra audit --extra test --extra bench --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -o requirements/dev.txt
	@uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -c requirements/dev.txt -o requirements/run.txt
	@uv pip compile pyproject.toml --extra local --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -c requirements/dev.txt -o requirements/local.txt
	@uv pip compile pyproject.toml --extra analytics --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -c requirements/dev.txt -o requirements/analytics.txt
	@uv pip compile requirements/schemas.in --no-deps --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -o requirements/schemas.txt
	@uv pip compile benchmarks/peers/requirements.in --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -o benchmarks/peers/requirements.txt
	@uv pip compile benchmarks/peers/addons.in --no-deps --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --quiet --custom-compile-command "make lock" -o benchmarks/peers/addons.txt

histories: $(STAMP) ## record anew the histories that CI replays (only for an unreleased change)
	@python -m tests.replay.record

clean: ## remove what was built here (not the download cache)
	@rm -rf $(VENV) tests/judges/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .run *.egg-info build
