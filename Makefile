# The two commands: `make run` and `make test`. Both do all their set-up themselves, on a machine that has
# nothing but CPython 3.11 (or newer) with pip, and make. CI calls the very same targets.

PYTHON ?= python3
VENV := .venv
WORKERS ?= auto
PEERS := .bench-peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: run test lint types floors unit verify prove prove-tests prove-campaign bench bench-peers bench-campaign \
        bench-checkpoints clean help

help:
	@echo "make run     train the quick section 7.6 on this computer (no account, no network after set-up)"
	@echo "make test    lint, types, floors and all tests"
	@echo "make verify  round-trip a tiny real checkpoint"
	@echo "make prove   train every algorithm straight and in cut sessions, and compare the ends (minutes)"
	@echo "make bench   measure environment, solver and learning on one core, beside the peers that are installed"
	@echo "make bench-peers   install them (SUMO, sumo-rl, UXsim), some 2 GB, each in an environment of its own"
	@echo "make bench-campaign  plan and simulate ten thousand trials on a virtual clock"
	@echo "make prove-campaign  the long versions of the campaign's tests: 20 kills, 50 empty copies, any interleaving"
	@echo "make bench-checkpoints   measure what checkpoints cost (minutes)"
	@echo "make prove-tests   the tests of exact resume for every algorithm (minutes)"

run: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator run section_7_6 --quick --backend local

verify: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator verify

prove: prove-tests
	$(BIN)/python -m orchestrator prove-resume section_7_6 --backend local --cuts 5

prove-tests: $(VENV)/.ready-test
	$(BIN)/python -m pytest -m prove

# OpenBLAS and OpenMP read these once, before anybody can pin them to a core. Linux.
bench: $(VENV)/.ready-run
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench $(BENCH)

# Each peer in an environment of its own; one that cannot be installed is left out, and the bench says so.
bench-peers: $(VENV)/.ready-run
	-$(MAKE) --keep-going $(PEERS)/sumo/.ready $(PEERS)/uxsim/.ready

$(PEERS)/%/.ready: tests/bench/peers/%.txt
	@mkdir -p $(PEERS)
	$(call new_environment,$(PEERS)/$*)
	$(PEERS)/$*/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

bench-campaign: $(VENV)/.ready-test
	$(BIN)/python -m tests.bench.campaigns

prove-campaign: $(VENV)/.ready-test
	PROVE_CAMPAIGN=1 $(BIN)/python -m pytest tests/acceptance/test_campaign.py tests/acceptance/test_full_disk.py tests/unit/pipeline/campaign

bench-checkpoints: $(VENV)/.ready-run
	$(BIN)/python -m tests.bench.checkpoint_cost

test: lint types floors unit

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-test
	$(BIN)/mypy

floors: $(VENV)/.ready-test
	$(BIN)/lint-imports --no-cache

# As many workers as cores; tests/conftest.py says what must stay together. One worker: make unit WORKERS=0.
unit: $(VENV)/.ready-test
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --no-loadscope-reorder --durations=30

# Debian's python3 may come without ensurepip: then virtualenv, in a folder of its own, makes the environment.
define new_environment
$(PYTHON) -m venv $(1) 2>/dev/null || { rm -rf $(1); \
  $(PYTHON) -m pip --disable-pip-version-check install --quiet --target .venv-bootstrap virtualenv && \
  PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv --quiet $(1); }
endef

$(BIN)/python:
	$(call new_environment,$(VENV))

$(VENV)/.ready-run: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[train]'
	@touch $@

$(VENV)/.ready-test: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[train,dev]'
	@touch $@ $(VENV)/.ready-run

clean:
	rm -rf $(VENV) .venv-bootstrap $(PEERS)
