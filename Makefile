# Every target sets up what it needs by itself (tools/setup); the work is in tools/ and in the tools' own settings.
SHELL := bash
.DEFAULT_GOAL := help

# Another Python beside the usual one: make oldest.
export WEFT_VENV ?= .venv
export PATH := $(CURDIR)/$(WEFT_VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
# What earlier work left in the user's home must not make anything pass: all that runs here has a home of its own. Where
# pyenv's Pythons are is still said by the user's. A make within make keeps what the first one found.
export WEFT_USER_HOME := $(or $(WEFT_USER_HOME),$(HOME))
export HOME := $(CURDIR)/.cache/home
export PYENV_ROOT := $(or $(PYENV_ROOT),$(WEFT_USER_HOME)/.pyenv)
# What runs and checkouts may share: downloads, images, kernels. Nothing depends on it being there.
export WEFT_CACHE := $(or $(WEFT_CACHE),/var/cache/weft-lab)
export PIP_CACHE_DIR := $(or $(PIP_CACHE_DIR),$(WEFT_CACHE)/pip)

STEP = @tools/step $@
# LAB_KERNEL=debian: in the guest with a kernel of Debian's.
IN_LAB = $(if $(filter debian,$(LAB_KERNEL)),bin/lab guest exec --)
# One repetition, where packets have to arrive in time. It is said in the output, and at the end of a run.
REPEAT := --reruns=1
# Two lists of lanes, the longest first: NAME:MINUTES[:lanes it must not run beside]. A lane that is over its limit is
# killed. What a change must pass, and everything; CONTRIBUTING.md has the two side by side. `check` uses both cores for
# minutes, which packets would measure.
JOBS ?= 2
TEST = packets:75 kills:45 $(patsubst %,molecule-%:30,$(SCENARIOS)) unit:30
CHANGE = packets:75 debian-kernel:75 kills:45 molecule-prune:30 molecule-walkthrough:30 check:30:packets unit:30 oldest:30
NIGHT = debian-kernel-stock:150 all-kills:150 all-changes:150 packets:45 packets-trixie:45:packets \
    deep-unit:150:packets,packets-trixie debian-kernel:90:debian-kernel-stock \
    $(patsubst %,molecule-%:20,$(SCENARIOS)) check:20:packets,packets-trixie oldest:20 \
    bench-quick:40:packets,packets-trixie
CHECKS := sanity lint types ansible-lint docs-lint import changelog
# Labs side by side: most of the time of a packet test is waiting. Files keep together, because their tests share a fabric.
PACKET_LABS ?= 2
KILLS := tests/integration/test_kills.py
SCENARIOS ?= $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
# The oldest ansible-core that is promised, and its newest Python.
OLDEST := WEFT_VENV=.venv-oldest WEFT_PYTHON=3.11
# Property tests and goldens are independent of each other; more workers than cores gain nothing.
PYTEST_JOBS ?= $(shell nproc)

.PHONY: help setup demo change night test check $(CHECKS) format unit deep-unit packets packets-trixie kills all-kills all-changes \
    debian-kernel debian-kernel-stock molecule bench bench-quick oldest clean lock release

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do \
	    printf '  make %-14s %s\n' "$$target" "$$text"; done

setup: ## install what is needed: Debian packages, .venv, the import tree
	@tools/setup

demo: setup ## bring the walkthrough up in the lab and check its twelve steps with packets
	@$(IN_LAB) tools/demo

check: setup ## all static checks, two at a time; goes on after a failure
	@echo "── check: $(CHECKS), two at a time; each is shown when it ends"
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(CHECKS)

change: setup ## what a change must pass, side by side, with a report (WEFT_SEED: as that run)
	@tools/lanes --jobs $(JOBS) $(CHANGE)

night: setup ## everything; a test that passes only when repeated fails it
	@WEFT_HYPOTHESIS=$${WEFT_HYPOTHESIS:-ci} tools/lanes --jobs $(JOBS) --strict $(NIGHT)

test: setup ## all tests on this computer's kernel: packets beside kills, molecule and unit; goes on after a failure
	@tools/lanes --jobs $(JOBS) $(TEST)

lint: setup ## ruff: lint and format
	$(STEP) tools/lint

types: setup ## mypy --strict
	$(STEP) tools/types

ansible-lint: setup ## ansible-lint, production profile
	$(STEP) ansible-lint --profile production --offline --nocolor

sanity: setup ## ansible-test sanity, every test that needs no container
	$(STEP) python tools/sanity.py

docs-lint: setup ## antsibull-docs lint-collection-docs
	$(STEP) tools/docs-lint

import: setup ## build the collection and run galaxy-importer on it
	$(STEP) tools/import

changelog: setup ## lint the changelog fragments
	$(STEP) tools/changelog lint

format: setup ## let ruff format and mend what it can
	@ruff check --fix --exit-zero .
	@ruff format .

unit: setup ## unit, golden and property tests
	$(STEP) pytest --numprocesses=$(PYTEST_JOBS) --dist=worksteal

deep-unit: ## the same with 20,000 examples for each property
	@WEFT_HYPOTHESIS=deep $(MAKE) --no-print-directory unit

packets: setup ## tests with real packets in the lab
	$(STEP) pytest $(REPEAT) --numprocesses=$(PACKET_LABS) --dist=loadfile --durations=20 tests/integration \
	    --ignore=tests/integration/debian_kernel --ignore=$(KILLS)

packets-trixie: ## the same on Debian 13
	@WEFT_SUITE=trixie WEFT_LAB=px $(MAKE) --no-print-directory packets

kills: setup ## runs that are killed: the next one converges (WEFT_KILLS=all: at every single point)
	$(STEP) env WEFT_LAB=pk pytest $(REPEAT) --durations=0 $(KILLS)

all-kills: ## the same at every single point, and at more moments
	@WEFT_KILLS=all $(MAKE) --no-print-directory kills

all-changes: setup ## a hundred random changes of the fabric that has every key, each with a restart and taken back
	$(STEP) env WEFT_LAB=pc WEFT_CHANGES=100 pytest --durations=0 tests/integration/test_any_change.py

debian-kernel: setup ## the lab in a guest with a kernel of Debian's: its features, the walkthrough, a power cut, what needs it
	@$(OLDEST) tools/setup
	$(STEP) env LAB_CONTROLLER=.venv-oldest pytest --capture=no --durations=0 tests/integration/debian_kernel

debian-kernel-stock: ## the same with the kernel that Debian built, in QEMU
	@LAB_MACHINE=stock $(MAKE) --no-print-directory debian-kernel

molecule: setup ## the molecule scenarios; goes on after a failure
	@status=0; for scenario in $(SCENARIOS); do \
	    tools/step "molecule $$scenario" molecule test --scenario-name "$$scenario" || status=1; done; exit $$status

molecule-%: setup
	$(STEP) molecule test --scenario-name $*

bench-quick: ## the same, small, and no docs
	@BENCH_QUICK=1 $(MAKE) --no-print-directory bench

bench: setup ## measure the controller, runs and packets; writes docs/performance.md (BENCH_QUICK=1: small, no docs)
	@tools/bench $(BENCH_PARTS)

oldest: ## unit tests with the oldest ansible-core we promise
	@$(OLDEST) WEFT_HYPOTHESIS=dev $(MAKE) --no-print-directory unit

clean: ## take the labs down, remove .venv and .cache
	@tools/clean

lock: setup ## pin the newest packages: make lock PYTHONS="python3.11 python3.13"
	@python tools/lock.py $(PYTHONS)

release: setup ## turn the changelog fragments into a release: make release VERSION=0.1.0
	@tools/changelog release --update-existing --version $(VERSION)
