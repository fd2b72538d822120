# What a person types. Every target does its own set-up and works again when run twice.
.DEFAULT_GOAL := help
PYTHON := build/venv/bin/python
SHELL := /bin/bash

.PHONY: help
help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

.PHONY: setup
setup: ## installs what the other targets need (Debian packages, a Python environment)
	@tests/setup

.PHONY: run
run: setup ## the main job: declare, apply, back up, destroy, restore, compare, on a lab machine
	@$(PYTHON) tests/demo.py

.PHONY: verify
verify: setup ## the acceptance, phase by phase, on the machine that `make run` left (PHASE=2: one phase)
	@cd tests/lab && ../../$(PYTHON) -m odin_lab.cli shell odin odin verify $(if $(PHASE),--phase $(PHASE))

.PHONY: stop
stop: ## stops every lab machine this checkout's user started, and removes what they left
	@cd tests/lab && ../../$(PYTHON) -m odin_lab.cli stop

.PHONY: lab
lab: setup ## a lab machine with a cluster, left running
	@cd tests/lab && ../../$(PYTHON) -m odin_lab.cli up

.PHONY: lab-shell
lab-shell: setup ## a shell on the lab machine
	@cd tests/lab && ../../$(PYTHON) -m odin_lab.cli shell

.PHONY: test
test: setup ## all tests, as CI runs them
	@$(PYTHON) tests/run.py test

.PHONY: screenshots
screenshots: setup ## photographs the web page of a lab machine into docs/images
	@PYTHONPATH=tests/lab $(PYTHON) tests/page/screenshots.py

.PHONY: nix-check
nix-check: tools ## parses, lints and evaluates the Nix files; says what it skipped
	@tests/nix/tools
	@$(PYTHON) -m pytest -q -rs tests/nix

.PHONY: acceptance
acceptance: setup ## the long scenarios with their seeds; writes docs/proof.md
	@$(PYTHON) tests/run.py acceptance

.PHONY: bench
bench: setup ## figures side by side with the peers; writes docs/performance.md (ONLY=gpu: one part)
	@ODIN_BENCH_ONLY=$(ONLY) $(PYTHON) tests/run.py bench

.PHONY: tools
tools: setup ## builds the lab's Go tools into the cache
	@cd tests/lab && ../../$(PYTHON) -m odin_lab.tools
