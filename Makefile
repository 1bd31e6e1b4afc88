# Each target sets itself up: a machine with python3 (3.11 or newer) and make needs nothing else. The clients in other
# languages are built where node, go, java and mvn are there.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs bench bench-restart bench-codec fuzz crash kill power-cuts full-disk mutants sim golden setup clients clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup  ## The main job: a real client, a broker, a kill -9, and on it goes
	@$(BIN)/python examples/demo.py

test: setup clients  ## All tests, real clients included
	$(BIN)/pytest -n auto

check: setup clients  ## Format, lint, types, layers, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto

format: setup  ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup  ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

bench: setup clients  ## Throughput, latency and groups, beside librdkafka's mock cluster in the same run
	$(BIN)/python bench/startup.py
	$(BIN)/python -m bench.first_record
	$(BIN)/python bench/groups.py
	$(BIN)/python bench/broker.py
	$(BIN)/python bench/checkpoint.py
	$(BIN)/python bench/many_topics.py

bench-restart: setup  ## Starting on data that are there: up to 10,000 partitions, after a stop and after kill -9; compacted
	$(BIN)/python bench/restart.py
	$(BIN)/python bench/compaction.py

bench-codec: setup  ## The codec, beside other Python codecs in the same run
	$(BIN)/python bench/codec/run.py
	$(BIN)/python bench/codec/imports.py
	$(BIN)/python bench/codec/hostile.py

fuzz: setup  ## Fuzz all that reads bytes from a peer, for SECONDS (60)
	$(BIN)/python fuzz/run.py --seconds $(or $(SECONDS),60)

crash: setup  ## Check N (20000) crash states of a broker, with SQLITE=1 on a real SQLite, or one: STATE=SEED:NUMBER
	$(BIN)/python fuzz/crash_states.py --states $(or $(N),20000) $(if $(STATE),--state $(STATE)) $(if $(SQLITE),--sqlite)

kill: setup  ## Kill a server process under real clients N (200) times, at named points and at any moment; SEED repeats
	$(BIN)/python -m fuzz.breaking.kills --kills $(or $(N),200) $(if $(SEED),--seed $(SEED))

power-cuts: setup  ## Cut its power N (50) times, on a mounted file system that loses what was not synced; SEED repeats
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements/fuse.txt \
		|| echo "to build pyfuse3: apt-get install fuse3 libfuse3-dev pkg-config"
	$(BIN)/python -m fuzz.breaking.power_cuts --cuts $(or $(N),50) $(if $(SEED),--seed $(SEED))

full-disk: setup  ## Fill up its disk, take its file descriptors away, make its file system read-only
	$(BIN)/python -m fuzz.breaking.full_disk

mutants: setup  ## Plant bugs, and see which instrument finds each; BUG=NAME plants one
	$(BIN)/python -m fuzz.mutants $(if $(BUG),--bug $(BUG))

sim: setup  ## Simulate SEEDS (100) storms, or STEPS events, or one SEED again with its trace
	$(BIN)/python fuzz/simulation.py --seeds $(or $(SEEDS),100) $(if $(STEPS),--steps $(STEPS)) $(if $(SEED),--seed $(SEED))

golden: setup clients  ## Record again what clients and Apache Kafka say to each other
	$(BIN)/python -m tests.protocol.golden.record

setup: .venv/.ready

.venv/.ready: pyproject.toml requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

clients: setup  ## Install the clients in other languages that the tests drive
	@tests/clients/setup.sh
	@tests/java_oracle/setup.sh

clean:  ## Remove all that was made
	rm -rf .venv .fuzz build dist docs/_build docs/apis .mypy_cache .ruff_cache .pytest_cache .hypothesis
