# Every target works on a machine that has Python 3.11 or newer, pip and make; nothing else.
# A target's environment is made once and again only when what it was made from has changed.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
SOURCES := pyproject.toml setup.py $(wildcard sqlengine/kernels/*.pyx)
# Processes that the tests start read what the first of them has compiled, also where the environment forbids to keep it.
export PYTHONDONTWRITEBYTECODE :=
# One more process than the two processors of a small machine: many tests wait for servers and disks.
JOBS ?= 3
MINUTES ?= 10
CASES ?= 100000
WORLDS ?= 10000
PIPELINES ?= 10
MESSAGES ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak docs clean

help:
	@echo "make demo    the main job on real data: the flights of 2013 (under two minutes after the install)"
	@echo "make test    the whole test suite"
	@echo "make check   style, types, who imports whom, and the tidy test"
	@echo "make bench   the benchmarks; B=nexmark for one of them, PEERS=1 with the other engines of the extra bench"
	@echo "make soak    CASES=100000 random queries over random histories, WORLDS=10000 of replicas, PIPELINES=10 minutes of kills, MESSAGES=1000000 of the wire, every case of the suite, then random tests for MINUTES=10"
	@echo "make docs    write the generated pages of docs/ again"
	@echo "make clean   remove the environment, builds and caches"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sqlengine needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# The package itself, with its compiled kernels: again only when what is compiled has changed.
$(VENV)/.built: $(SOURCES) | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# The requirements of one set of extras; naming the package here would compile it once more.
$(VENV)/.installed-%: $(VENV)/.built
	$(RUN) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$*"], sep="\n")' > $(VENV)/$*.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --requirement $(VENV)/$*.txt
	@touch $@

demo: $(VENV)/.installed-demo
	$(RUN) examples/flights.py

test: $(VENV)/.installed-test
	$(RUN) -m pytest -n $(JOBS) --dist loadgroup --ignore tests/test_tidy.py $(ARGS)
	SQLENGINE_PURE=1 $(RUN) -m pytest -n $(JOBS) -q -m "not slow" tests/kernels tests/state tests/operators

check: $(VENV)/.installed-test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check --quiet .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	$(RUN) -m pytest -q tests/test_tidy.py

bench: $(VENV)/.installed-test $(if $(PEERS),$(VENV)/.installed-bench)
	$(RUN) benchmarks/run.py $(B)

soak: $(VENV)/.installed-test
	SQLENGINE_CRASH_CYCLES=70 $(RUN) tests/soak.py --minutes $(MINUTES) --cases $(CASES) --worlds $(WORLDS) --pipelines $(PIPELINES) --messages $(MESSAGES)

docs: $(VENV)/.installed-test
	$(RUN) -m docs.generate

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f sqlengine/kernels/*.so sqlengine/kernels/*.c sqlengine/kernels/*.cpp
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
