# One verb each. Everything lives in .venv; nothing outside this folder is touched, but the demo's cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test slow check format bench wheel clean

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/base ## Install into .venv and ask Python's own documentation some questions
	@$(BIN)/adjoin demo

test: $(VENV)/test ## Install what the tests need and run them, but for the slow ones
	@$(BIN)/python -m tests.support.fetch
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

slow: $(VENV)/test ## Run the tests that take more than a few seconds each
	@$(BIN)/python -m tests.support.fetch
	@$(BIN)/python -m pytest -m slow $(ARGS)

check: $(VENV)/check ## Formatter, linter, strict types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/check ## Put the code in shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/test ## Print the figures that the documentation quotes, measured here and now
	@$(BIN)/python -m tests.support.fetch
	@$(BIN)/python benchmarks/run.py $(ARGS)

wheel: $(VENV)/base ## Build the wheel, install it alone, and run the demo from it
	@$(BIN)/python scripts/check_wheel.py

clean: ## Remove .venv and everything built
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("adjoin needs Python 3.11 or newer; try: make PYTHON=python3.12 …") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing adjoin into $(VENV) …" >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/test: $(VENV)/base pyproject.toml
	@$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/check: $(VENV)/base pyproject.toml
	@$(PIP) --editable '.[test,check]'
	@touch $@
