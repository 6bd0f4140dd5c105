# Everything runs from a virtual environment in .venv, made on first use: no root, no system compiler, no GPU.
#   make repro [EXP=name] [ARGS="group=choice key=value"]     make test     make lint
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXP ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev repro test test-slow lint format bench-simulator bench-estimators bench-engine fuzz clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# pip takes torch first: a range asked for by another package may resolve to a build with CUDA libraries.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@echo "Building the simulator (two minutes, once on a machine)"
	@$(BIN)/python -c "from tinyformer.mcu.simulator.native import build_core; build_core()"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

setup: $(VENV)/.installed  ## make the environment for running

setup-dev: $(VENV)/.installed-dev  ## make the environment for developing

repro: setup  ## from data to verified firmware (EXP=name ARGS="group=choice key=value")
	@$(BIN)/tinyformer repro $(if $(EXP),--experiment $(EXP)) $(ARGS)

test: setup-dev  ## the fast tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-slow: setup-dev  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: setup-dev  ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev  ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-simulator: setup-dev  ## speed and agreement of the simulator -> outputs/bench/simulator.json
	$(BIN)/python benchmarks/bench_simulator.py $(ARGS)

bench-estimators: setup-dev  ## estimators against simulated firmware -> outputs/bench/estimators.json
	$(BIN)/python benchmarks/bench_estimators.py $(ARGS)

bench-engine: setup-dev  ## kernels and models against CMSIS-NN -> outputs/bench/engine.json
	$(BIN)/python benchmarks/bench_engine.py $(ARGS)

N ?= 2000
fuzz: setup-dev  ## N random graphs, bit-exact under sanitizers
	$(BIN)/python benchmarks/fuzz.py --graphs $(N) $(ARGS)

clean:  ## remove what the pipeline made (the DVC cache stays)
	rm -rf outputs/* data/processed .tinyformer
