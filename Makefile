# Each target sets up what it needs; `make test` is all that CI calls.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.setup-done
OUT := demo-output
PYTEST := $(BIN)/python -m pytest
# Two cores: numeric libraries of test processes must not fight over them.
export OMP_NUM_THREADS ?= 1

.PHONY: setup system servers demo lab test test-unit test-browser test-notebooks record-notebook lint lock clean \
	test-attacks test-kill test-long bench-model bench-goal bench-start bench-fit bench-sandbox bench-human bench-trust bench-trust-quick test-rest bench-rest redis-stack bench-stores test-crowd

setup: $(DONE)

$(DONE): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call apt,python3-venv)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# apt where it may be used; elsewhere say what is missing and go on.
apt = { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; } || \
	{ command -v apt-get >/dev/null && sudo -n apt-get update -qq && sudo -n apt-get install -y -qq \
	--no-install-recommends $(1) >/dev/null; } || echo "please install: $(1)"

system:
	@command -v chromium >/dev/null || $(call apt,chromium fonts-dejavu-core)
	@command -v bwrap >/dev/null || $(call apt,bubblewrap)

# What tests and benchmarks talk to on loopback; a demo needs none of it.
servers: system
	@command -v redis-server >/dev/null || $(call apt,redis-server)
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || $(call apt,postgresql)
	@test "$$(uname -sm)" != "Linux x86_64" || $(MAKE) -s redis-stack

# A Redis with JSON and search, for tests on loopback only: never shipped (RSALv2/SSPL, and an OpenSSL without repairs).
redis-stack: .redis-stack/.done

.redis-stack/.done: $(DONE)
	@$(BIN)/python tests/servers/redis_stack.py .redis-stack || echo "no Redis with search: its tests are skipped"

demo: setup system
	@rm -rf $(OUT) && mkdir -p $(OUT)
	@cp notebooks/01_first_goal.ipynb $(OUT)/
	@echo "Running notebooks/01_first_goal.ipynb, about a minute ..."
	@cd $(OUT) && OMC_AGENT_HOME=$(CURDIR)/$(OUT)/home ../$(BIN)/jupyter nbconvert --log-level=ERROR --to notebook \
		--execute --inplace --ExecutePreprocessor.timeout=600 01_first_goal.ipynb
	@cd $(OUT) && ../$(BIN)/jupyter nbconvert --log-level=ERROR --to html 01_first_goal.ipynb
	@OMC_AGENT_HOME=$(CURDIR)/$(OUT)/home $(BIN)/python notebooks/show_result.py $(OUT)

lab: setup system
	cd notebooks && ../$(BIN)/jupyter lab

test: setup servers lint test-unit test-browser test-notebooks
	@$(BIN)/python -m coverage report --fail-under=85 | tail -n 40

test-unit: setup servers
	@rm -f .coverage .coverage.*
	$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder tests/test_kill.py tests/attacks tests omc_agent --doctest-modules --ignore=tests/browser --ignore=tests/notebooks \
		-m "not long" --ignore=omc_agent/store/migrations --cov --cov-report=

test-browser: setup servers
	$(PYTEST) -n 2 --dist loadgroup -m "not long" tests/browser

test-notebooks: setup servers
	$(PYTEST) -n 2 --dist loadfile -o filterwarnings= --nbval-lax --nbval-cell-timeout=300 notebooks
	$(PYTEST) -o filterwarnings= --nbval --nbval-cell-timeout=300 \
		--nbval-sanitize-with=notebooks/sanitize.cfg tests/notebooks

# The run of notebook 06 is recorded again, against the server of tests/providers: after a prompt or a tool was changed.
record-notebook: setup
	$(BIN)/python notebooks/record_06.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: setup
	$(BIN)/pip-compile -q --upgrade --extra dev --strip-extras --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-annotate --no-header -o constraints.txt pyproject.toml
	sed -i '/^#/d' constraints.txt

# Whole runs that `make test` leaves out, because a cheaper test holds the same: some minutes.
test-long: setup servers
	$(PYTEST) -n 2 --dist loadfile -m long tests --ignore=tests/notebooks

# The attacks with every way of the walled tier, as root and as an ordinary user.
test-attacks: setup servers
	OMC_ALL_WAYS=1 $(PYTEST) tests/attacks

# A run that is killed after every event and every write, loses every child, and meets a full disk: some hours.
test-kill: setup servers
	OMC_ALL_KILLS=1 $(PYTEST) -n 2 tests/test_kill.py

# Requests that are made up from openapi.yaml, many of them against each address: some minutes.
test-rest: setup servers
	OMC_ALL_REQUESTS=1 $(PYTEST) tests/server

# Eight processes on one store, on SQLite and on PostgreSQL, for half a minute each.
test-crowd: setup servers
	OMC_CROWD=8 OMC_CROWD_SECONDS=30 $(PYTEST) tests/store/test_crowd.py

# Other executors, for comparison only: they never come near our own environment.
.venv-peers/.done:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install -q --disable-pip-version-check smolagents
	@touch $@

bench-sandbox: .venv-peers/.done

bench-model bench-goal bench-start bench-fit bench-sandbox bench-human bench-rest bench-stores: setup servers
	$(BIN)/python benchmarks/$(subst -,_,$@).py

# The systems that ours is compared with on data, and the bundled sets of statsmodels.
.venv-trust/.done:
	$(PYTHON) -m venv .venv-trust
	.venv-trust/bin/python -m pip install -q --disable-pip-version-check 'flaml[automl]' statsmodels scikit-learn \
		pandas pyarrow threadpoolctl
	@touch $@

# Other seeds, or a part: make bench-trust ARGS='--seed-base 7 --tracks C'.
bench-trust: setup system .venv-trust/.done .venv-peers/.done
	$(BIN)/python benchmarks/trust $(ARGS)

bench-trust-quick: setup system .venv-trust/.done
	$(BIN)/python benchmarks/trust --quick $(ARGS)

clean:
	rm -rf $(OUT) .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
