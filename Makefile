# make run    provisions the demo project on this machine
# make test   everything that has to hold before a commit, in a quarter of an hour on two cores: formatting, lint, types, templates, tests
# make test-slow  the files of tests that take more than 10 s: whole executions, handlers killed at 50 moments, outages, crowds; SAMPLE=8 SEED=7 runs 8 of each file
# make test-3.13  the tests on Python 3.13, which Lambda runs; TESTS="tests/executions" chooses some, and SAMPLE_FAST=8 SEED=7 8 of each file
# make sam-test  with Docker: every function in Lambda's container, and whole executions with all of them in theirs
# make matrix  every kind of fault at every point of a job: some 3,300 jobs, each checked for what it left; SAMPLE=400 SEED=7 runs 400 of them; then lost commits of the control plane and the cluster at every statement, or 40 of them
# make test-postgres VERSION=16  the tests of isolation, stages and executions on PostgreSQL 15 (Debian's), 16, 17 (from npm) or 18; SAMPLE=5 SEED=7 runs 5 slow tests of each file, SAMPLE_FAST=5 so many of the others
# make test-ecosystem  drivers, object mappers, migration tools, a pooler and PostgreSQL's own programs, with a tenant's issued credentials; VERSION=15 as above, CLIENTS="test_python_clients.py" chooses some
# make audit  known vulnerabilities in all pinned dependencies, as PyPI's JSON API tells them; make test asks for what ships
# make bench  what a provision costs, beside its floors and peers, into .bench/; fails when a goal is missed in memory
# make bench BENCH="--growth 3000 --publish"  the same with 25 GB of tenants on disk, into bench/results/, docs/benchmarks.md and README
# make bench AGAINST=COMMIT  the work tree against a commit: short runs of both in turn, medians and ratios; five minutes if nothing else runs
# make screenshots  the pictures in README and docs, taken of real runs in a real browser (Debian's chromium)
# make deploy-check  compares the template with AWS's documents, without an account: a first deployment, an upgrade, permissions
# make certificates PARTITION=aws-us-gov  puts the root CAs of RDS in AWS GovCloud (US) into what ships; aws-cn for AWS China; aws for newer ones of the default
# Each installs what they need into .venv and .venv-sam first. PYTHON=python3.12 chooses another interpreter.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-3.13 sam-test test-postgres test-ecosystem matrix audit audit-shipped bench screenshots lint format build deploy-check certificates lock clean

export SAM_CLI_TELEMETRY := 0
# A file's fixtures are made in one process, and the files keep their order: what shares a stack comes last.
BY_FILE := --dist loadfile --no-loadscope-reorder

NPM := tests/ecosystem/clients

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make lint, make format, make build (sam build), make lock (newer dependencies), make clean"

run: .venv/installed
	@.venv/bin/provision demo

test: lint audit-shipped
	.venv/bin/pytest -n 2 $(BY_FILE)

test-slow: .venv/installed .venv-sam/installed
	.venv/bin/pytest -n 2 $(BY_FILE) -m slow

TESTS ?= tests
test-3.13: .venv-3.13/installed .venv-sam/installed
	.venv-3.13/bin/pytest -n 2 $(BY_FILE) -o cache_dir=.venv-3.13/pytest_cache $(TESTS)

sam-test: .venv/installed
	@docker info >/dev/null 2>&1 || { echo "make sam-test needs Docker, and no Docker answers here." >&2; exit 1; }
	@$(MAKE) --no-print-directory build
	.venv/bin/pytest -m docker tests/sam

POSTGRES_TESTS ?= tests/isolation tests/stages tests/executions
# The catalogs are sampled alone: an older server takes longer for each sample beside the other tests' tenants.
CATALOGS := tests/isolation/test_catalogs.py
test-postgres: .venv/installed .venv-sam/installed
	@export POSTGRES="$$(scripts/postgres $(VERSION))" SAMPLE=$(SAMPLE) SAMPLE_FAST=$(SAMPLE_FAST) SEED=$(SEED) && test -n "$$POSTGRES" && \
	  $(if $(filter tests/isolation,$(POSTGRES_TESTS)),.venv/bin/pytest -m "slow or not slow" $(CATALOGS) &&) \
	  .venv/bin/pytest -n 2 $(BY_FILE) -m "slow or not slow" $(POSTGRES_TESTS) --ignore $(CATALOGS)

CLIENTS ?= .
test-ecosystem: .venv/installed .venv-ecosystem/installed $(NPM)/node_modules/installed .debian-13/installed
	@programs=$(if $(VERSION),$$(scripts/postgres $(VERSION))) && POSTGRES=$$programs \
	  .venv/bin/pytest -n 2 $(BY_FILE) -m ecosystem $(addprefix tests/ecosystem/clients/,$(CLIENTS))

matrix: .venv/installed
	.venv/bin/python -m tests.faults.matrix $(SAMPLE:%=--sample %) $(SEED:%=--seed %)
	.venv/bin/python -m tests.faults.lost_commits $(if $(SAMPLE),--sample 40) $(SEED:%=--seed %)

audit: .venv/installed
	scripts/audit

audit-shipped: .venv/installed
	@scripts/audit --shipped

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
	AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam validate --lint

format: .venv/installed
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

build: .venv/installed .venv-sam/installed .venv-3.13/installed
	scripts/build

deploy-check: .venv/installed .venv-sam/installed
	.venv/bin/cfn-lint template.yaml monitoring.yaml
	AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam validate --lint
	.venv/bin/pytest --no-loadscope-reorder -m "slow or not slow" tests/deployment tests/test_template*.py \
	  tests/test_permission_table.py tests/test_old_versions.py tests/provisioning/test_certificates.py \
	  tests/provisioning/test_probe.py tests/upkeep/test_new_versions.py tests/upkeep/test_deployment_step.py \
	  tests/executions/test_aws_calls.py tests/executions/test_redriven.py

certificates: .venv/installed
	@scripts/certificates $(PARTITION)

lock: .venv/installed
	scripts/lock

.venv/installed: requirements.lock pyproject.toml
	@scripts/install .venv requirements.lock --editable

.venv-3.13/installed: requirements.lock pyproject.toml | .venv/installed
	@python="$$(scripts/runtime)" && PYTHON="$$python" scripts/install .venv-3.13 requirements.lock --editable

.venv-sam/installed: requirements-sam.lock
	@scripts/install .venv-sam requirements-sam.lock

.venv-ecosystem/installed: requirements-ecosystem.lock
	@scripts/install .venv-ecosystem requirements-ecosystem.lock

$(NPM)/node_modules/installed: $(NPM)/package-lock.json
	@scripts/npm-install $(NPM)

.debian-13/installed: scripts/debian-13
	@scripts/debian-13 .debian-13

clean:
	rm -rf .postgres .debian-13 .venv .venv-3.13 .venv-sam .venv-ecosystem $(NPM)/node_modules .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis
