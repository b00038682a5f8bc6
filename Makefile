# Each target does its own set-up: a virtual environment in .venv, with Cairn installed from this checkout.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready

.PHONY: demo test lint bench schema clean

demo: $(READY)
	$(VENV)/bin/cairn demo

test: $(READY)
	$(VENV)/bin/python -m pytest

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright

bench: $(READY)
	$(VENV)/bin/pip install --quiet -e '.[bench]'
	$(VENV)/bin/python -m benchmarks

schema: $(READY)
	$(VENV)/bin/cairn schema > schema/schema.graphql

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cairn needs Python 3.11 or later; set PYTHON=")'
	@echo "Setting up $(VENV) (once; about a minute) ..."
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools
	@PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) build *.egg-info
