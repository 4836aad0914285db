# make run    provisions the demo project on this machine
# make test   everything that has to hold before a commit, in five minutes: formatting, lint, types, templates, tests
# make test-slow  the files of tests that take more than 10 s: whole executions, handlers killed at 50 moments, outages, crowds
# make test-3.13 the tests on Python 3.13, which Lambda runs; TESTS="tests/executions" chooses some
# make sam-test  with Docker: every function in Lambda's container, and whole executions with all of them in theirs
# make matrix every kind of fault at every point of a job: some 1,300 jobs, each with a look at what it left; SAMPLE=400 SEED=7 runs so many of them
# make audit  known vulnerabilities in all pinned dependencies, as PyPI's JSON API tells them; make test asks for what ships
# make bench  what a provision costs, beside its floors and peers, into .bench/; fails when a goal is missed in memory
# make bench BENCH="--growth 3000 --publish"  the same with 25 GB of tenants on disk, into bench/results/ and README
# make bench AGAINST=COMMIT  the work tree against a commit: short runs of both in turn, medians and ratios; five minutes
# make screenshots  the pictures in README, taken of three real runs in a real browser (Debian's chromium)
# Each installs what they need into .venv and .venv-sam first. PYTHON=python3.12 chooses another interpreter.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-3.13 sam-test matrix audit audit-shipped bench screenshots lint format build lock clean

PYTHON ?= python3 python3.13 python3.12 python3.11
UV_VERSION := 0.13.9
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Linting and building need some region and never an account.
SAM := AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam
# The Python of the Lambda runtime: from the PATH, from pyenv, or else fetched by uv.
PYTHON_3_13 = $(shell for python in python3.13 $$HOME/.pyenv/versions/3.13.*/bin/python3.13; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo "$$python" && exit; done; \
  .venv/bin/uv python install --quiet 3.13 && .venv/bin/uv python find --managed-python 3.13)

# A file's fixtures are made in one process, and the files keep their order: what shares a stack comes last.
BY_FILE := --dist loadfile --no-loadscope-reorder

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make lint, make format, make build (sam build), make lock (newer dependencies), make clean"

run: .venv/installed
	@.venv/bin/provision demo

test: lint audit-shipped
	.venv/bin/pytest -n 2 $(BY_FILE)

test-slow: .venv/installed
	.venv/bin/pytest -n 2 $(BY_FILE) -m slow

TESTS ?= tests
test-3.13: .venv-3.13/installed
	.venv-3.13/bin/pytest -n 2 $(BY_FILE) -o cache_dir=.venv-3.13/pytest_cache $(TESTS)

sam-test: .venv/installed
	@docker info >/dev/null 2>&1 || { echo "make sam-test needs Docker, and no Docker answers here." >&2; exit 1; }
	@$(MAKE) --no-print-directory build
	.venv/bin/pytest -m docker tests/sam

matrix: .venv/installed
	.venv/bin/python -m tests.faults.matrix $(SAMPLE:%=--sample %) $(SEED:%=--seed %)

# An index that mirrors packages alone knows of no vulnerabilities, and pip-audit takes silence for health. Hence --strict,
# and first a version whose vulnerabilities are known.
PIP_AUDIT := .venv/bin/uv tool run --quiet pip-audit==2.10.1 --disable-pip --no-deps --strict --progress-spinner off
VULNERABILITIES_ARE_KNOWN = echo "urllib3==1.26.4" | $(PIP_AUDIT) -r /dev/stdin 2>/dev/null | grep -qE 'GHSA-|PYSEC-|CVE-'
NOTHING_AUDITED := No vulnerability database answers here (PyPI's JSON API): nothing was audited.
audit: .venv/installed
	@$(VULNERABILITIES_ARE_KNOWN) || { echo "$(NOTHING_AUDITED)" >&2; exit 1; }
	for lock in requirements.lock requirements-sam.lock functions/requirements.txt; do \
	  $(PIP_AUDIT) -r $$lock || exit 1; \
	done

# Of what ships, and only where somebody can tell.
audit-shipped: .venv/installed
	@if $(VULNERABILITIES_ARE_KNOWN); then $(PIP_AUDIT) -r functions/requirements.txt; else echo "$(NOTHING_AUDITED)"; fi

bench: .venv/installed
	.venv/bin/python -m bench $(AGAINST:%=--against %) $(BENCH)

screenshots: .venv/installed
	.venv/bin/python -m tests.console.screenshots

lint: .venv/installed .venv-sam/installed
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/statelint --yaml statemachine/*.asl.yaml
	.venv/bin/cfn-lint template.yaml monitoring.yaml
	$(SAM) validate --lint

format: .venv/installed
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# SAM builds with the python3.13 that it finds on the PATH. Lambda cannot write bytecode beside the code, and would compile
# it at every cold start: it goes with the code, unchecked, because a zip file keeps no time that could be compared, and
# with the paths that the code has there, so that the functions' code stays the same and is uploaded once.
build: .venv/installed .venv-sam/installed .venv-3.13/installed
	PATH="$$PWD/.venv-3.13/bin:$$PATH" $(SAM) build
	@for code in .aws-sam/build/*/; do \
	  .venv-3.13/bin/python -m compileall -q --invalidation-mode unchecked-hash -s "$${code%/}" -p /var/task "$${code%/}" || exit 1; \
	done
	@.venv/bin/python -m tests.sam.artefact

# uv installs in seconds what takes pip most of a minute, but does not read pip's configuration: it is handed the index,
# and whatever it cannot reach is left to pip, which works wherever the machine's own set-up makes pip work.
define install
@set -eu; \
if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
  for python in $(PYTHON) none; do \
    "$$python" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
  done; \
  if [ "$$python" = none ]; then \
    echo "No Python 3.11, 3.12 or 3.13 with venv found (tried: $(PYTHON)). On Debian: apt-get install python3-venv." >&2; \
    exit 1; \
  fi; \
  "$$python" -m venv --clear $(1); \
fi; \
echo "Installing $(2) into $(1) ..."; \
index=$${PIP_INDEX_URL:-$$($(1)/bin/pip config get global.index-url 2>/dev/null || true)}; \
if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
export VIRTUAL_ENV="$$PWD/$(1)" UV_HTTP_TIMEOUT=20; \
if ! { $(1)/bin/pip install --quiet uv==$(UV_VERSION) && $(1)/bin/uv pip install --quiet --compile-bytecode -r $(2); }; then \
  echo "uv could not install $(2): pip takes over." >&2; \
  $(1)/bin/pip install --quiet -r $(2); \
fi
endef

.venv/installed: requirements.lock pyproject.toml
	$(call install,.venv,requirements.lock)
	@.venv/bin/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv-3.13/installed: PYTHON = $(PYTHON_3_13)
.venv-3.13/installed: requirements.lock pyproject.toml | .venv/installed
	$(call install,.venv-3.13,requirements.lock)
	@.venv-3.13/bin/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv-sam/installed: requirements-sam.lock
	$(call install,.venv-sam,requirements-sam.lock)
	@touch $@

LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make lock" \
  --no-emit-index-url --no-emit-find-links --no-annotate --no-emit-package provisioner
RUNTIME_BRINGS := boto3 botocore s3transfer python-dateutil six

lock: .venv/installed
	$(LOCK) --upgrade pyproject.toml --extra dev -o requirements.lock
	$(LOCK) --upgrade --group pyproject.toml:sam -o requirements-sam.lock
	$(LOCK) pyproject.toml -c requirements.lock $(RUNTIME_BRINGS:%=--no-emit-package %) -o functions/requirements.txt

clean:
	rm -rf .venv .venv-3.13 .venv-sam .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
