# `make sweep` and `make test` each set everything up by themselves on a fresh machine
# with python3 (3.11 or newer), pip and make, and show what they do.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: sweep test check fuzz torture lint types format docs note bench clean

sweep: $(VENV)/run.stamp  ## train the quickstart: a table and a report in results/quickstart
	$(BIN)/initlab sweep

test: $(VENV)/dev.stamp  ## run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal

torture: $(VENV)/dev.stamp  ## kill, stop, starve and damage sweeps for up to an hour; ROUNDS=3 for three
	ROUNDS=$(or $(ROUNDS),1) $(BIN)/python -m tests.faults.torture

check: lint types test  ## everything a change must pass

# EXAMPLES and INPUTS say how many of each kind, SEED which: a run prints its own at the end.
fuzz: $(VENV)/dev.stamp  ## hostile inputs to every reader: 50,000 nearly right ones, 1,000,000 guided by coverage
	$(PIP) install --quiet --editable '.[fuzz]' --constraint constraints.txt
	$(BIN)/python -m tests.fuzz --examples $(or $(EXAMPLES),50000) $(addprefix --seed ,$(SEED))
	$(BIN)/python -m tests.fuzz.guided --inputs $(or $(INPUTS),1000000) $(addprefix --seed ,$(SEED))

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/run.stamp  ## the reference pages, from what is registered
	$(BIN)/python -m initlab.docs docs

note: $(VENV)/run.stamp  ## the nanoGPT note's variants side by side over depth
	$(BIN)/initlab sweep experiments/nanogpt-note

NANOGPT ?= nanoGPT
bench: $(VENV)/run.stamp  ## measure speed against nanoGPT's loop: NANOGPT=path of a checkout
	$(BIN)/python benchmarks/bench.py $(wildcard $(NANOGPT))

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

# Some systems ship python3 without ensurepip; virtualenv from the package index does the same job.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "initlab needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV) && $(PYTHON) -m pip install --target .bootstrap virtualenv && \
	    PYTHONPATH=.bootstrap $(PYTHON) -m virtualenv $(VENV) && rm -rf .bootstrap; }

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --editable . --constraint constraints.txt
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@ $(VENV)/run.stamp
