# SPDX-License-Identifier: Apache-2.0
# Everything runs from a virtual environment in .venv, made on first use: no root, no system compiler, no GPU.
#   make repro [EXP=name] [ARGS="group=choice key=value"]     make test     make lint
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXP ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev repro sweep test test-slow test-ui test-install lock docs lint format dependencies bench-simulator bench-estimators bench-engine bench-search bench-sparsity bench-baselines bench-import test-cases fuzz fuzz-onnx fuzz-tflite chaos clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The lock files pin every package; without the pin, torch may resolve to a build with CUDA libraries.
$(VENV)/.installed: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -e ".[pipeline]"
	@echo "Building the simulator (two minutes, once on a machine)"
	@$(BIN)/python -c "from tinyformer.mcu.simulator.native import build_core; build_core()"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml requirements-dev.lock | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock -e ".[pipeline,dev]"
	@touch $@

setup: $(VENV)/.installed  ## make the environment for running

setup-dev: $(VENV)/.installed-dev  ## make the environment for developing

repro: setup  ## from data to verified firmware (EXP=name ARGS="group=choice key=value")
	@$(BIN)/tinyformer repro $(if $(EXP),--experiment $(EXP)) $(ARGS)

sweep: setup  ## every combination (ARGS="mcu=stm32f746,stm32h743 sparsity=s50,s90"; docs/sweeps.md)
	@$(BIN)/tinyformer repro -m $(if $(EXP),--experiment $(EXP)) $(ARGS)

test: setup-dev  ## the fast tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-slow: setup-dev  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow $(ARGS)

test-install: setup-dev  ## the wheel in an empty environment: compile and simulate without the pipeline's packages
	$(BIN)/python -m pytest -m slow tests/test_install.py $(ARGS)

$(VENV)/.installed-ui: pyproject.toml requirements-ui.lock | $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-ui.lock
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(BIN)/playwright install chromium
	@touch $@

test-ui: setup-dev $(VENV)/.installed-ui  ## the pages in headless Chromium, with axe-core
	$(BIN)/python -m pytest -m ui tests/ui $(ARGS)

CASES ?=
test-cases: setup-dev  ## models of kinds that are easily wrong, against their runtimes (CASES=DIR: those of a directory, too)
	$(BIN)/python benchmarks/try_models.py $(CASES) $(ARGS)

C_SOURCES = git ls-files '*.c' '*.h' '*.cpp' '*.hpp'

lock:  ## pin the versions that are installed in .venv -> requirements.lock, requirements-dev.lock, requirements-ui.lock
	$(BIN)/python tools/lock.py

docs: setup-dev  ## the documentation as a site -> outputs/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: setup-dev  ## ruff, mypy, the import rules and clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(C_SOURCES) | xargs $(BIN)/clang-format --dry-run -Werror

format: setup-dev  ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(C_SOURCES) | xargs $(BIN)/clang-format -i

dependencies: setup-dev  ## list in dvc.yaml the code that each stage runs
	$(BIN)/python -m tinyformer.pipeline.dependencies

bench-simulator: setup-dev  ## speed and agreement of the simulator -> outputs/bench/simulator.json
	$(BIN)/python benchmarks/bench_simulator.py $(ARGS)

bench-estimators: setup-dev  ## estimators against simulated firmware -> outputs/bench/estimators.json
	$(BIN)/python benchmarks/bench_estimators.py $(ARGS)

bench-engine: setup-dev  ## kernels and models against CMSIS-NN -> outputs/bench/engine.json
	$(BIN)/python benchmarks/bench_engine.py $(ARGS)

bench-search: setup-dev  ## the searches against chance and simpler schemes -> outputs/bench/search.json
	$(BIN)/python -m benchmarks.bench_search $(ARGS)

bench-sparsity: setup-dev  ## the quickstart at 50, 70, 80 and 90 % sparsity: flash and latency fall, accuracy stays
	$(BIN)/python -m benchmarks.bench_sparsity $(ARGS)

# Every network sees the same images as often; what a sweep's point costs is in its outputs/provenance.html.
BASELINES = experiment=baseline_resnet18,baseline_mobilenetv2,baseline_mobilevit_xs
bench-baselines: setup-dev  ## ResNet-18, MobileNetV2 and MobileViT-XS through the same stages, with the same budget
	$(BIN)/tinyformer repro -m $(BASELINES) $(ARGS) --name baselines

bench-import: setup-dev  ## networks exported and quantized by torch and onnxruntime: do they compile, and to what
	$(BIN)/python benchmarks/bench_import.py $(ARGS)

N ?= 2000
fuzz: setup-dev  ## N random graphs, bit-exact under sanitizers
	$(BIN)/python benchmarks/fuzz.py --graphs $(N) $(ARGS)

fuzz-onnx: setup-dev  ## N random models of one operator against onnxruntime
	$(BIN)/python benchmarks/fuzz_models.py onnx --models $(N) $(ARGS)

fuzz-tflite: setup-dev  ## N random models of one operator against LiteRT's reference kernels
	$(BIN)/python benchmarks/fuzz_models.py tflite --models $(N) $(ARGS)

MINUTES ?= 30
chaos: setup-dev  ## attacks on the whole product for MINUTES=30 (ARGS="--seed N", a night: MINUTES=600)
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(ARGS)

clean:  ## remove what the pipeline made (the DVC cache stays)
	rm -rf outputs/* data/processed .tinyformer
