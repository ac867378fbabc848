# `make demo` and `make test` do all their own set-up, in .venv; see README.md.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
DEMO := demo-stems

.PHONY: demo plugin test check format clean

demo: .venv/base
	$(BIN)/bandmate separate examples/late-bus.flac --out $(DEMO) --force
	@$(BIN)/python examples/measure.py $(DEMO)/late-bus examples/late-bus-stems

# Into build/plugin/bin; needs g++ and Debian's dpf-source.
plugin:
	$(MAKE) -C plugin_bridge/plugin BUILD=$(CURDIR)/build/plugin

# SLOW=1 adds the tests that take minutes; ARGS goes to pytest.
test: .venv/dev
	$(BIN)/python -m pytest $(if $(SLOW),,-m "not slow") $(ARGS)

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv $(DEMO) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bandmate needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/base: .venv/python pyproject.toml constraints.txt
	@echo "Installing bandmate into .venv ..."
	$(PIP) -e .
	@touch $@

.venv/dev: .venv/base
	@echo "Installing what training, export and the tests need into .venv (torch is large) ..."
	$(PIP) -e '.[dev,train,export,audio,host,ray]'
	$(PIP) --no-deps musicnn==0.1.0 basic-pitch==0.4.0
	@touch $@
