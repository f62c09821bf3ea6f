# The two commands are `make run` and `make test`. Both do all their set-up; the machine needs only CPython 3.11 or newer
# with pip, and make. CI calls the same targets.

PYTHON ?= python3
VENV := .venv
WORKERS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count() + 1)")
PEERS := .bench-peers
RAY := .ray
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: run test lint types floors unit verify prove prove-tests prove-algorithms prove-kills prove-fuzz prove-soak prove-slurm prove-ray \
        prove-mutants prove-campaign prove-sumo bench bench-peers bench-campaign bench-checkpoints bench-saves bench-resume \
        bench-environments bench-page report-local screenshots clean help

help:
	@echo "make run     train the quick section 7.6 on this computer (no account, no network after set-up)"
	@echo "make test    lint, types, floors and all tests"
	@echo "make verify  save, restore and resume a tiny real checkpoint"
	@echo "make prove   the proofs that need nothing more: tests, algorithms, kills, fuzz, soak, and section 7.6 cut and uncut (an hour or two)"
	@echo "make prove-tests        long tests of exact resume for every algorithm; two trainings on this computer and the loopback Kaggle (minutes)"
	@echo "make prove-algorithms   train without a cut and in cut sessions, and compare: thirteen algorithms and 26 environments; one: ALGORITHM=PPO (minutes)"
	@echo "make prove-kills        kill and cut the power at every point of every scenario; one: KILL=restore (minutes)"
	@echo "make prove-fuzz         feed hostile bytes to every reader; one: KIND=events EACH=60 (minutes)"
	@echo "make prove-soak         a campaign of 72 virtual hours under random faults: nothing is lost, nothing grows (minutes)"
	@echo "make prove-campaign     long campaign tests: 20 kills, 50 empty copies, any interleaving (no time was measured; minutes at least)"
	@echo "make prove-slurm        section 7.6 and CartPole on Slurm's daemons here, the controller killed meanwhile, equal the local ones; 200 sessions (minutes)"
	@echo "make prove-ray          the same on a Ray head of its own here, killed meanwhile; Ray is installed in an environment of its own (half an hour)"
	@echo "make prove-sumo         the controllers of section 7.6 and a trained policy in SUMO, installed in an environment of its own, 800 MB (minutes)"
	@echo "make prove-mutants      change the code on which safety stands and see that a test fails; one: ROOM=judgement (minutes)"
	@echo "make bench              measure environment, solver and learning on one core, beside the installed peers"
	@echo "make bench-peers        install the peers (SUMO, sumo-rl, UXsim, RL Zoo, TorchRL), 4 GB, in environments of their own"
	@echo "make bench-saves        measure saves of a full replay buffer of a million transitions (minutes)"
	@echo "make bench-resume       the same trainings, cut and resumed by other tools and by this one (minutes)"
	@echo "make bench-campaign     plan ten thousand trials and simulate campaigns on a virtual clock"
	@echo "make bench-checkpoints  measure the cost of checkpoints (minutes)"
	@echo "make bench-page         size and time of the page of 60 and of 10,000 trainings (minutes)"
	@echo "make report-local       the campaign of docs/RESULTS.md and its report, validation_output/campaigns/local_7_6/report.html (less than an hour)"
	@echo "make screenshots        make the pictures of docs/REPORT.md (needs Chromium)"
	@echo "make bench-environments grade, time and size of the state of ordinary environments"

run: $(VENV)/.ready-model
	$(BIN)/python -m orchestrator run section_7_6 --quick --backend local

verify: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator verify

prove: prove-tests prove-algorithms prove-kills prove-fuzz prove-soak
	$(BIN)/python -m orchestrator prove-resume section_7_6 --backend local --cuts 5
	@echo "Not run: make prove-campaign, make prove-slurm, make prove-ray, make prove-sumo, make prove-mutants"

prove-tests: $(VENV)/.ready-test
	$(BIN)/python -m pytest -m prove --numprocesses=$(WORKERS) --no-loadscope-reorder --timeout=1800 --durations=20 \
	  --ignore=tests/acceptance/test_wheel.py
	$(BIN)/python -m pytest -m prove tests/acceptance/test_wheel.py    # asks the index, so not in a worker's own network

prove-kills: $(VENV)/.ready-test
	$(BIN)/python -m tests.kill_points $(KILL)

prove-algorithms: $(VENV)/.ready-test
	$(BIN)/python -m tests.proofs $(ALGORITHM)

# OpenBLAS and OpenMP read these variables once, at start-up, before a program could pin itself to a core. Linux.
bench: $(VENV)/.ready-run
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench $(BENCH)

# Each peer has its own environment. A peer that cannot be installed is skipped, and the bench reports it.
bench-peers: $(VENV)/.ready-run
	-$(MAKE) --keep-going $(PEERS)/sumo/.ready $(PEERS)/uxsim/.ready $(PEERS)/rl_zoo3/.ready $(PEERS)/torchrl/.ready

bench-saves: $(VENV)/.ready-run
	$(BIN)/python -m tests.bench.save_overhead

bench-resume: $(VENV)/.ready-run
	-$(MAKE) --keep-going $(PEERS)/rl_zoo3/.ready $(PEERS)/torchrl/.ready
	$(BIN)/python -m tests.bench.resume

$(PEERS)/sumo/.ready: tests/bench/peers/libsumo.txt

$(PEERS)/%/.ready: tests/bench/peers/%.txt
	@mkdir -p $(PEERS)
	$(call new_environment,$(PEERS)/$*)
	$(PEERS)/$*/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

# The policy is that of `make run`; others: make prove-sumo SUMO="--models FOLDER". Linux and macOS.
SECTION_7_6 := validation_ch7/section_7_6_rl_performance
prove-sumo: $(VENV)/.ready-run $(PEERS)/libsumo/.ready
	test -e $(SECTION_7_6)/data/models/best_model/best_model.zip || $(MAKE) run
	$(BIN)/python -m tests.sumo $(SUMO)

bench-campaign: $(VENV)/.ready-test
	$(BIN)/python -m tests.bench.campaigns

prove-campaign: $(VENV)/.ready-test
	PROVE_CAMPAIGN=1 $(BIN)/python -m pytest tests/acceptance/test_campaign.py tests/acceptance/test_full_disk.py tests/unit/pipeline/campaign

# Guided by coverage where atheris is installed: .venv/bin/python -m pip install -c constraints.txt -e '.[fuzz]'
prove-fuzz: $(VENV)/.ready-test
	$(BIN)/python -m tests.fuzz $(if $(KIND),"$(KIND)") $(if $(EACH),--seconds $(EACH))
prove-soak: $(VENV)/.ready-test
	$(BIN)/python -m tests.soak $(SEEDS)

# Needs slurm-wlm, munge and openssh-server.
prove-slurm: $(VENV)/.ready-test
	SLURM_TESTS=required SSH_TESTS=required $(BIN)/python -m pytest -m "prove or not prove" tests/slurm tests/acceptance/test_slurm.py \
		tests/acceptance/test_slurm_ssh.py tests/contract/test_slurm.py

# Linux. In one worker: where the system allows it, the worker has a network of its own, and Ray listens nowhere else.
prove-ray: $(RAY)/.ready
	RAY_TESTS=required $(RAY)/bin/python -m pytest -m "prove or not prove" --numprocesses=1 --durations=20 -rP tests/ray tests/contract/test_ray.py

prove-mutants: $(VENV)/.ready-mutants
	$(BIN)/python -m tests.mutants $(ROOM)

bench-checkpoints: $(VENV)/.ready-run
	$(BIN)/python -m tests.bench.checkpoint_cost

bench-environments: $(VENV)/.ready-test
	$(BIN)/python -m tests.bench.environment_cost

bench-page: $(VENV)/.ready-test
	$(BIN)/python -m tests.bench.pages

# A killed campaign continues with the same command.
report-local: $(VENV)/.ready-run
	$(BIN)/python -m orchestrator campaign run local_7_6
	$(BIN)/python -m orchestrator campaign report local_7_6

screenshots: $(VENV)/.ready-test
	$(BIN)/python -m tests.browser.screenshots

test: lint types floors unit

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-test
	$(call patiently,Checking the types (a minute without a cache),$(BIN)/mypy)

floors: $(VENV)/.ready-test
	$(BIN)/lint-imports --no-cache

# One worker per core, and one more for the times at which a test waits; tests/conftest.py says which tests share a
# worker. In one process: make unit WORKERS=0. The tests start this program hundreds of times, so it is compiled once.
unit: $(VENV)/.ready-test
	$(BIN)/python -m compileall -q orchestrator validation_ch7
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --no-loadscope-reorder --durations=30

# $(call patiently,TEXT,COMMAND): say what a quiet command does and about how long, then every 15 s that it still runs.
# The loop ends with the command, with Ctrl-C, and if the shell of this line is killed.
BEAT_S ?= 15
_ := ,
define patiently
@echo "$(1)"; \
( trap 'kill $$s 2>/dev/null; exit' TERM; t=0; while kill -0 $$$$ 2>/dev/null; do sleep $(BEAT_S) & s=$$!; wait $$s; \
  t=$$((t + $(BEAT_S))); echo "  still running after $$t s"; done ) & beat=$$!; \
trap 'kill $$beat 2>/dev/null' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; $(2)
endef

# Debian's python3 may lack ensurepip. Then virtualenv, installed into .venv-bootstrap, makes the environment.
define new_environment
$(PYTHON) -m venv $(1) 2>/dev/null || { rm -rf $(1); \
  $(PYTHON) -m pip --disable-pip-version-check install --quiet --target .venv-bootstrap virtualenv && \
  PYTHONPATH=.venv-bootstrap $(PYTHON) -m virtualenv --quiet $(1); }
endef

$(BIN)/python:
	$(call patiently,Making $(VENV): an environment of its own (some seconds),$(call new_environment,$(VENV)))

# pip would compile all libraries in one process, about half a minute.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

$(VENV)/.ready-run: $(BIN)/python pyproject.toml constraints.txt
	$(call patiently,Installing the libraries for training (one to five minutes),$(PIP) --no-compile -e '.[train$(_)report]')
	$(call patiently,Compiling the libraries (about half a minute),$(COMPILE))
	@touch $@

# The code is kept for the user: in another clone this takes a second or two.
COMPILE_MODEL := validation_ch7.section_7_6_rl_performance.compile_ahead
$(VENV)/.ready-model: $(VENV)/.ready-run $(wildcard validation_ch7/traffic/numba_kernel/*.py)
	$(call patiently,Compiling the traffic model (a quarter of a minute),$(BIN)/python -m $(COMPILE_MODEL))
	@touch $@

$(VENV)/.ready-test: $(BIN)/python pyproject.toml constraints.txt
	$(call patiently,Installing the libraries and the tools of the tests (one to five minutes),$(PIP) --no-compile -e '.[train$(_)dev]')
	$(call patiently,Compiling the libraries (about half a minute),$(COMPILE))
	@touch $@ $(VENV)/.ready-run

$(RAY)/.ready: pyproject.toml constraints.txt tests/ray/object_store.txt
	$(call new_environment,$(RAY))
	$(call patiently,Installing Ray and the libraries of its tests (minutes),$(RAY)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt -e '.[train$(_)dev$(_)ray]' -r tests/ray/object_store.txt)
	@touch $@

$(VENV)/.ready-mutants: $(VENV)/.ready-test
	$(PIP) --no-compile -e '.[mutants]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-bootstrap $(PEERS) $(RAY)
