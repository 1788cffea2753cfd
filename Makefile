# Two commands do everything on a fresh machine with Python 3.11 or later, pip and make:
#   make demo   make test
# The rest is for contributors: make help.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
AS_OF := 2024-05-06T18:00:00Z
MINUTES := 10
MODULES :=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint types architecture tests fix bench fuzz soak mutants docs wheel wheel-test pyz pyz-test requirements release-check image clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than what it was made from, so a second run installs nothing.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[report,dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-mutants: $(VENV)/.installed-dev
	$(PIP) install --constraint constraints.txt --editable '.[mutants]'
	@touch $@

$(VENV)/.installed-release: $(VENV)/.installed-dev
	$(PIP) install --constraint constraints.txt --editable '.[release]'
	@touch $@

demo: $(VENV)/.installed  ## Lay out the bucket of 6 May 2024 and resolve master from it
	$(BIN)/kopsversion demo $(DEMO)
	$(BIN)/resolve-latest master --store $(DEMO) --as-of $(AS_OF) --explain

test: lint types architecture tests  ## Everything: lint, types, architecture, tests, branch coverage

lint: $(VENV)/.installed-dev  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev  ## mypy, strict
	$(BIN)/mypy

architecture: $(VENV)/.installed-dev  ## import-linter: imports point down
	$(BIN)/lint-imports

# Two workers more than there are cores, because some tests wait for a deadline: 6:45 instead of 8:30 on two cores.
# A worker that has died is not replaced: the run would wait for ever for the new one (pytest-xdist 3.8, worksteal).
tests: $(VENV)/.installed-dev  ## pytest with branch coverage
	$(BIN)/pytest --numprocesses=$$($(BIN)/python -c 'import os; print(os.cpu_count() + 2)') --dist=worksteal --max-worker-restart=0 --cov --cov-report=term

fix: $(VENV)/.installed-dev  ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev  ## Print the figures of docs/performance.md; BENCH=--quick for some of them
	$(BIN)/python -m tests.benchmarks.resolve $(BENCH)
	$(BIN)/python -m tests.benchmarks.startup $(BENCH)
	$(BIN)/python -m tests.benchmarks.versions $(BENCH)
	$(BIN)/python -m tests.benchmarks.listing $(BENCH)
	$(BIN)/python -m tests.benchmarks.fleet $(BENCH)

fuzz: $(VENV)/.installed-dev  ## Ten minutes of Hypothesis over all laws; MINUTES=60 for an hour
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

soak: $(VENV)/.installed-dev  ## Two thousand resolves in one process with 256 descriptors: none is left open
	$(BIN)/python -m tests.soak

mutants: $(VENV)/.installed-mutants  ## Slow (a quarter of an hour or more): does a test notice each changed line of the core? MODULES="ranking version" for some
	$(BIN)/python -m tests.mutants $(MODULES)

docs: $(VENV)/.installed-dev  ## Write the reference pages that are made of the code
	$(BIN)/python -m tests.resolution_schema > docs/reference/resolution.schema.json
	$(BIN)/python -m tests.command_schemas
	$(BIN)/python -m docs.generate
	$(BIN)/python -m tests.fault_expectations

wheel: $(VENV)/.installed-dev  ## Build sdist and wheel into dist/
	rm -f dist/*.whl dist/*.tar.gz
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

wheel-test: $(VENV)/.installed-dev  ## Install the wheel as a user does, on each of Python 3.11 to 3.13 that is here, and use it
	$(BIN)/pytest -m wheel tests/test_wheel.py

pyz: $(VENV)/.installed-dev  ## Build dist/kopsversion.pyz, the single file, and its checksum
	$(BIN)/python .ci/onefile.py

pyz-test: $(VENV)/.installed-dev  ## Build the single file, and use it with the source away, on each Python that is here
	$(BIN)/pytest -m pyz tests/test_onefile.py

requirements: $(VENV)/.installed-release  ## Write requirements/: what jobs install, pinned and with hashes
	$(BIN)/python .ci/requirements.py

release-check: test $(VENV)/.installed-release  ## All that a release offers, built twice and compared, with SBOMs and checksums, in dist/
	$(BIN)/python .ci/release.py

image: pyz  ## Build the container image, where podman, buildah or docker is
	@builder=$$(command -v podman || command -v buildah || command -v docker) || { echo "no podman, buildah or docker is here" >&2; exit 1; }; \
	"$$builder" build --file Containerfile --tag kopsversion:latest .

clean:  ## Remove what was made
	rm -rf $(VENV) $(DEMO) dist build .coverage* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
