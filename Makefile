# Every target is one documented command: `make help` lists them. The work is in mshare_pkg.
PYTHON ?= python3
VENV   := .venv/bin
STAGES := $(PYTHON) -m mshare_pkg.stages

.DEFAULT_GOAL := help

.PHONY: help setup test test-kernel test-kernel-debug lint unit clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## what the other targets need: Debian packages, .venv, the collection's link
	@$(STAGES) setup

test: ## everything that CI checks, with the time of each stage
	@$(STAGES) test

test-kernel: ## all kernel selftests, in a guest
	@$(STAGES) test-kernel

test-kernel-debug: ## the same on a kernel with lockdep, DEBUG_VM and page-table checks
	@$(STAGES) test-kernel-debug

lint: setup ## ruff, mypy, yamllint, ansible-lint, ansible-test sanity, checkpatch
	@$(VENV)/python -m mshare_pkg.stages.lint

unit: setup ## the tests that need no machine
	@PATH="$(CURDIR)/$(VENV):$$PATH" $(VENV)/python -m pytest -q -n 2 tests/unit tests/modules

clean: ## remove what the targets made in the checkout (caches in the home directory stay)
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .ansible
