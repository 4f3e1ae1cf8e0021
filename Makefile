# The commands of this project; `make` lists them.
# Requires Python 3.11 or later, git and make. Installs nothing outside .venv and build/.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# The sandbox's data: traffic (generated) or chitchat (a real corpus).
DATA ?= traffic
export SANDBOX_DATA := $(DATA)
ifeq ($(DATA),chitchat)
export DATA_DIR ?= data/chitchat
endif

.DEFAULT_GOAL := help
.PHONY: help setup etl backfill serve demo shell status verify check check-source install-slot install-log uninstall-slot uninstall-log catalog rebuild publish test test-fast test-page test-clients test-scale torture lint lint-page format bench image-steps lock clean synapse

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(VENV)/ready  ## install everything in requirements.lock into .venv

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is required: make PYTHON=...")'
	@echo "Installing into $(VENV) ..."
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The tools of the page, where npm is: Biome, the type checker and axe-core.
TOOLS := build/page-tools
NPM := $(shell command -v npm)

$(TOOLS)/ready: tests/page/tools/package-lock.json
	@echo "Installing into $(TOOLS) ..."
	@mkdir -p $(TOOLS)
	@cp tests/page/tools/package.json tests/page/tools/package-lock.json tests/page/tools/.npmrc $(TOOLS)
	@cd $(TOOLS) && npm ci --silent
	@touch $@

etl: setup  ## run one cycle on DATABASE_URL, or on the sandbox (DATA=chitchat FULL=1 YES=1)
	@$(RUN) -m etl run $(if $(FULL),--full) $(if $(YES),--yes)

backfill: setup  ## load a large messenger (FROM= TO= JOBS= LAG= RESTART=1)
	@$(RUN) -m etl backfill $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(LAG),--pause-above-lag $(LAG)) $(if $(RESTART),--restart)

serve: setup  ## run the API; needs JWT_SECRET (HOST= PORT= WORKERS= ROOT_PATH=)
	@exec $(RUN) -m api $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT)) \
	  $(if $(WORKERS),--workers $(WORKERS)) $(if $(ROOT_PATH),--root-path $(ROOT_PATH))

demo: setup  ## run a live sandbox, cycles and the API, until Ctrl-C
	@exec $(RUN) -m etl demo

shell: setup  ## open the published file in DuckDB, read-only
	@exec $(RUN) -m olap shell

status: setup  ## show how fresh and healthy the data are
	@$(RUN) -m etl status

verify: setup  ## compare the data with the source (FROM= TO= REPAIR=1 YES=1)
	@$(RUN) -m etl verify $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(if $(REPAIR),--repair) $(if $(YES),--yes)

check: setup  ## run the checks of sql/checks on the published file
	@$(RUN) -m olap check

check-source: setup  ## try the mapping on the source: names each defect, writes nothing
	@$(RUN) -m etl source check

INSTALL = $(if $(APPLY),--apply) $(if $(ROLE),--role $(ROLE)) $(if $(LIMIT),--wal-limit $(LIMIT))

install-slot: setup  ## print SQL by which a slot of the source tells what changed (APPLY=1 ROLE= LIMIT=)
	@$(RUN) -m etl source install slot $(INSTALL)

install-log: setup  ## print SQL by which triggers of the source tell what changed (APPLY=1 ROLE=)
	@$(RUN) -m etl source install log $(INSTALL)

uninstall-slot: setup  ## print SQL that takes the slot away (APPLY=1)
	@$(RUN) -m etl source uninstall slot $(if $(APPLY),--apply)

uninstall-log: setup  ## print SQL that takes the log away (APPLY=1)
	@$(RUN) -m etl source uninstall log $(if $(APPLY),--apply)

catalog: setup  ## generate sql/README.md and sql/spark from the metrics
	@$(RUN) -m olap.engine.generate
	@mkdir -p build && $(RUN) -m olap catalog > build/catalog.md && mv build/catalog.md sql/README.md

rebuild: setup  ## rebuild the warehouse from the lake alone
	@$(RUN) -m etl rebuild

publish: setup  ## publish again, with the metrics of this version
	@$(RUN) -m etl publish

# Transaction ids are counted on a foreign server, so its tests run one after the other.
WORKERS_OF_TESTS = $(if $(TEST_DATABASE_URL),0,2)

test: setup  ## run the whole test suite against real PostgreSQL and Valkey
	$(RUN) -m pytest -n $(WORKERS_OF_TESTS)

test-fast: setup  ## run the tests without servers that stop, kills, damage, real chats, bench
	$(RUN) -m pytest -n $(WORKERS_OF_TESTS) -m "not slow" --hypothesis-profile=fast

test-page: setup $(if $(NPM),$(TOOLS)/ready)  ## test the page in a browser; installs Debian's Chromium
	@test -n "$$CHROMIUM" || command -v chromium > /dev/null || { \
	  test "$$(id -u)" = 0 || { echo "There is no Chromium: install it, or run this as root."; exit 1; }; \
	  apt-get update && apt-get install --yes --no-install-recommends chromium; }
	$(RUN) -m pytest -n $(WORKERS_OF_TESTS) tests/page

test-clients: setup  ## connect other tools, and generated clients of the API; installs them (minutes)
	$(RUN) -m pytest tests/clients

test-scale: setup  ## run metrics and the lake on other engines; installs them (minutes)
	$(RUN) -m pytest -n $(WORKERS_OF_TESTS) -m "scale or not scale" tests/scale

torture: setup  ## play long random histories and check every generation (MINUTES=30 SEED= SCHEMA=mixed MODE=slot)
	$(RUN) -m tests.random_histories $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SCHEMA),--schema $(SCHEMA)) $(if $(MODE),--mode $(MODE))
	HOSTILE_BATCHES=200 $(RUN) -m pytest -n 0 tests/feed/test_hostile.py

lint: setup  ## check style, types and SQL
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m sqlfluff lint --quiet sql
	$(if $(NPM),@$(MAKE) --no-print-directory lint-page,@echo "There is no npm: the page is not linted.")

BIOME = $(TOOLS)/node_modules/.bin/biome check --config-path=tests/page/tools/biome.json

lint-page: $(TOOLS)/ready  ## check style and types of the page; needs npm
	$(BIOME) --error-on-warnings api/pages
	$(TOOLS)/node_modules/.bin/tsc --project tests/page/tools/tsconfig.json

format: setup $(if $(NPM),$(TOOLS)/ready)  ## format the code
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .
	$(if $(NPM),$(BIOME) --write api/pages)

bench: setup  ## measure speed beside the references, in build/ (ONLY=cycles MESSAGES=2000000,10000000 MODE=slot SERVERS=0,2 BUILD=)
	$(RUN) -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(MESSAGES),--messages $(MESSAGES)) \
	  $(if $(MODE),--mode $(MODE)) $(if $(SERVERS),--servers $(SERVERS)) $(if $(BUILD),--build $(BUILD))

synapse: setup  ## use a real Synapse while cycles run, and compare every row (ACTIONS= SEED= MAPPING=)
	@exec $(RUN) -m tests.synapse $(if $(ACTIONS),--actions $(ACTIONS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(MAPPING),--mapping $(MAPPING))

LOCK = $(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url --no-emit-find-links

image-steps: setup  ## run the steps of .deploy/Dockerfile without Docker, as another account
	@exec $(RUN) -m tests.dockerfile

lock: setup  ## update requirements.lock, and those of .deploy
	$(LOCK) --all-extras --group dev --output-file requirements.lock pyproject.toml
	$(LOCK) --extra shell --constraint requirements.lock --output-file .deploy/requirements.lock pyproject.toml
	$(LOCK) --group build --constraint requirements.lock --output-file .deploy/build.lock

clean:  ## remove .venv, build/, caches, and data/ if it is from the sandbox
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@for dir in data/chitchat data; do \
	  if [ -e $$dir/.sandbox ]; then rm -rf $$dir; \
	  elif [ -d $$dir ]; then echo "$$dir is kept: it is from DATABASE_URL. Remove it yourself."; fi; \
	done
