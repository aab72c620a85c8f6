# Every target is one documented command: `make help` lists them. The work is in mshare_pkg.
PYTHON ?= python3
VENV   := .venv/bin
STAGES := $(PYTHON) -m mshare_pkg.stages

.DEFAULT_GOAL := help

.PHONY: help setup demo test test-kernel test-kernel-debug endure mutants sparse stepwise bench cost lint unit clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## what the other targets need: Debian packages, .venv, the collection's link
	@$(STAGES) setup

demo: ## the whole chain: kernel packages, repository, two machines, msharefs on them, the report
	@$(STAGES) demo

test: ## linters, unit tests, kernel, quick selftests, Molecule, a fleet's good and bad days; the time of each stage
	@$(STAGES) test

test-kernel: ## all kernel selftests, in a guest
	@$(STAGES) test-kernel

test-kernel-debug: ## the same on a kernel with lockdep, KASAN, UBSAN, DEBUG_VM, page-table checks, fault injection; and 16 processes on 4 CPUs
	@$(STAGES) test-kernel-debug

endure: ## ten million random operations on regions, by seed, checked by an oracle; goes on where it was stopped
	@$(STAGES) endure

mutants: ## break the kernel on purpose, once for each patch in kernel/mutants, and see a selftest fail
	@$(STAGES) mutants

sparse: ## the kernel's semantic checker over what the series adds
	@$(STAGES) sparse

stepwise: ## build and boot the kernel after each patch that `mshare kernel patch` writes
	@$(STAGES) stepwise

bench: ## msharefs beside a memfd and huge pages, measured in a guest: build/bench/bench.md
	@$(STAGES) bench

cost: ## instructions of faults, calls, fork and exec without msharefs and with it: build/cost/cost.md
	@$(STAGES) cost

lint: setup ## ruff, mypy, yamllint, ansible-lint, ansible-test sanity, checkpatch, the selftests without a warning
	@$(VENV)/python -m mshare_pkg.stages.lint

unit: setup ## the tests that need no machine
	@PATH="$(CURDIR)/$(VENV):$$PATH" $(VENV)/python -m pytest -q -n 2 tests/unit tests/modules

clean: ## remove what the targets made in the checkout (caches in the home directory stay)
	@for lab in build/lab build/demo build/fleet build/molecule/default/lab; do \
		[ ! -d $$lab ] || $(VENV)/mshare lab down --dir $$lab || exit; \
	done
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .ansible
