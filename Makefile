# Every target makes what it needs first: the virtual environment, the lab's programs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LAB := $(BIN)/python -m lab

.PHONY: demo demo-history test test-docker test-shop lint lint-scripts format quick units check proof proof-full bench lab-up lab-down lab-purge lab-docker-up \
	lab-docker-down lab-docker-purge lab-shop-up lab-shop-down lab-shop-purge lock schema wheel clean

demo: $(READY)  ## the daily round on a lab started for it
	@$(LAB) demo

demo-history: $(READY)  ## two simulated months of reports, to look at
	@$(LAB) demo-history

lab-up: $(READY)  ## start the lab and leave it running
	@$(LAB) up

lab-down: $(READY)  ## stop the lab, keep its data
	@$(LAB) down

lab-purge: $(READY)  ## stop the lab and remove its data
	@$(LAB) down --purge

lab-docker-up: $(READY)  ## start the docker lab and leave it running
	@$(BIN)/python -m lab.docker up

lab-docker-down: $(READY)  ## stop the docker lab, keep its data
	@$(BIN)/python -m lab.docker down

lab-docker-purge: $(READY)  ## stop the docker lab and remove its data, images and keys
	@$(BIN)/python -m lab.docker down --purge

lab-shop-up: $(READY)  ## start the shop, as root, and leave it running
	@$(BIN)/python -m lab.shop up

lab-shop-down: $(READY)  ## stop the shop, keep its files
	@$(BIN)/python -m lab.shop down

lab-shop-purge: $(READY)  ## stop the shop and remove its files and keys
	@$(BIN)/python -m lab.shop down --purge

test: $(READY)  ## the project's own tests, but for those that need Docker or pgBackRest
	$(BIN)/python -m tests.harness.parts test

test-docker: $(READY)  ## the tests that need a Docker engine; without one they fail
	OPSPROOF_REQUIRE_DOCKER=1 $(BIN)/python -m tests.harness.parts docker

test-shop: $(READY)  ## the tests that need the shop; without root they fail
	OPSPROOF_REQUIRE_SHOP=1 $(BIN)/python -m tests.harness.parts shop

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-scripts: $(READY)  ## SQL and Perl
	$(BIN)/sqlfluff lint --disable-progress-bar src docs lab
	@find src lab -name '*.pl' | xargs -n 1 perl -c 2>&1 | grep -v 'syntax OK$$' && exit 1 || true

format: $(READY)  ## write the code as ruff formats it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

quick: $(READY)  ## style, types, and all tests without a lab
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint units

units: $(READY)
	$(BIN)/pytest tests -q -n 3 -m "not lab and not docker and not pgbackrest and not shop and not kills"

check: lint lint-scripts  ## everything that must hold before a change lands; what is not installed is skipped
	$(BIN)/python -m tests.harness.parts docker pgbackrest shop test

proof: $(READY)  ## break one fault and heal it: make proof FAULT="duplicate index"
	$(BIN)/python -m tests.proving "$(FAULT)"

proof-full: $(READY)  ## each fault alone, every kill and every version; goes on where it was interrupted
	$(BIN)/python -m tests.harness.full

bench: $(READY)  ## measure the figures of docs/performance.md
	$(BIN)/python tests/benchmarks

lock: $(READY)  ## resolve requirements/*.txt again
	$(BIN)/pip-compile $(LOCK) --output-file=requirements/run.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra=lab --extra=offsite --extra=dev --constraint=requirements/run.txt --output-file=requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --output-file=requirements/node.txt requirements/node.in

LOCK := --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

wheel: $(READY)  ## the package with checks and actions, in dist/
	rm -rf build dist
	$(BIN)/python -m build --wheel --no-isolation

schema: $(READY)  ## write the JSON Schemas of inventories and results, docs/checks.md, docs/runbook.md, and the table of metrics in docs/inventory.md
	$(BIN)/python -m opsproof.inventory.load > inventory/schema.json
	$(BIN)/python -m opsproof.round.report.results > docs/results.schema.json
	$(BIN)/python -m opsproof.inventory.metrics_table docs/inventory.md checks
	$(BIN)/python -m tests.harness.samples
	$(BIN)/python -m lab.proven > src/opsproof/command/faults.json
	$(BIN)/python -m opsproof.command.checks_page > docs/checks.md
	$(BIN)/python -m tests.runbook.page > docs/runbook.md

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "Python's venv module is needed: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean: lab-purge  ## remove everything that was made
	rm -rf .lab .venv .mypy_cache .ruff_cache
