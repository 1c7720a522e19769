# Each target prepares what it needs: see dev/bootstrap.sh.
PY := .venv/bin/python
BIN := .venv/bin
PYTEST := $(PY) -m pytest

.DEFAULT_GOAL := help
.PHONY: help run demo docs test test-unit test-chaos test-operaton lint fmt db-upgrade db-sql bench bench-quick bench-waiting bench-chaos bench-store clean setup setup-dev setup-test setup-browser setup-node setup-docs setup-engine

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup-engine ## start everything on this machine, onboard a user, serve until Ctrl-C
	@exec $(PY) -m dev.run

demo: setup-engine ## the same once: exit code 0 only if the answer was 200 with status ok
	@exec $(PY) -m dev.run --once

docs: setup-docs ## build the documentation into site/; any warning is a fault
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

# What starts nothing, or an engine at most, runs in two processes; what ends whole stacks or shares one, in one, and in
# this order: the shared stack would take part in what the others do on the same engine.
test: setup-test setup-browser setup-node setup-docs ## the whole test suite; ARGS="..." goes to pytest
ifdef ARGS
	$(PYTEST) $(ARGS)
else
	$(PYTEST) --numprocesses 2 --dist loadfile tests/unit tests/facade tests/contract tests/integration tests/property processes
	$(PYTEST) tests/chaos tests/e2e
endif

test-unit: setup-dev ## the tests that start nothing, half a minute
	$(PYTEST) --numprocesses 2 --dist loadfile tests/unit $(ARGS)

test-chaos: setup-test ## the tests that kill things
	$(PYTEST) tests/chaos $(ARGS)

# What is relied on of the engine, and the three examples, from the diagram alone and through the whole stack.
OPERATON_TESTS := tests/contract tests/property processes tests/e2e/test_example_outcomes.py tests/e2e/test_onboard_user.py
OPERATON_TESTS += tests/integration/test_authorization.py tests/e2e/test_authorization.py tests/integration/test_tenants.py

test-operaton: export ENGINE := operaton
test-operaton: setup-test ## the contract suite and the examples, unchanged, on Operaton
	$(PYTEST) $(OPERATON_TESTS) $(ARGS)

lint: setup-dev ## ruff, mypy --strict, import-linter, the processes' diagrams, hadolint, compose.yaml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/flask --app app process check
	PROCESSES=tests.processes $(BIN)/flask --app app process check
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

fmt: setup-dev ## format, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

db-upgrade: setup ## bring the database of DATABASE_URL to the newest schema
	$(PY) -m store.migrate

db-sql: setup ## print the SQL Server statements of all migrations
	@DATABASE_URL=mssql+pyodbc://server/database $(BIN)/alembic upgrade head --sql

bench: setup-test ## the benchmark
	$(PY) -m bench

bench-quick: setup-test ## the benchmark's short form
	$(PY) -m bench --quick

bench-waiting: setup-dev ## 1,000 and 2,000 requests that wait in one web process
	$(PY) -m bench.waiters

bench-chaos: setup-test ## mixed processes under kills and stops for 15 minutes; each outcome is checked
	$(PY) -m bench.chaos $(ARGS)

bench-store: setup-dev ## rows a second of the store at a million rows; SQL Server too with MSSQL_TEST_URL
	$(PY) -m bench.store

clean: ## remove what was built and what the local stack has stored
	rm -rf .run .venv engine/target site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@dev/bootstrap.sh

setup-dev: ## the packages of tests and linters into .venv: to run pytest yourself
	@dev/bootstrap.sh dev

setup-test:
	@dev/bootstrap.sh dev java clocks

setup-browser:
	@dev/bootstrap.sh browser

setup-node:
	@dev/bootstrap.sh node

setup-docs:
	@dev/bootstrap.sh docs

setup-engine:
	@dev/bootstrap.sh engine
