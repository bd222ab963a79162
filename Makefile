# make demo    from nothing to a voice: a synthetic speaker is made, learnt and spoken with
# make test    the test suite, under the versions that Google Colab has
# make check   lint, types and the notebooks' form
# make test-latest   the suite on the newest versions of everything
# Each makes the virtual environment it needs; nothing is installed by hand.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
DEMO_MINUTES ?= 7

.PHONY: help demo test test-latest check format clean

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

demo: $(VENV)/.installed
	mkdir -p $(DEMO)
	$(BIN)/python -m data_prep demo $(DEMO)/Demo.tar
	$(BIN)/python -m data_prep prepare $(DEMO)/Demo.tar $(DEMO)/Demo
	$(BIN)/ponytaco train $(DEMO)/Demo $(DEMO)/run --preset small --p-arpabet 1 \
	  --max-minutes $(DEMO_MINUTES)
	$(BIN)/python -m benchmarks.demo $(DEMO)

test: $(VENV)/.installed
	$(BIN)/python -m pytest

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_notebooks.py tests/test_layers.py

# torch stays at the constraint's build: the newest one on Linux is gigabytes of CUDA.
test-latest:
	$(MAKE) test VENV=.venv-latest CONSTRAINTS=constraints/latest.txt

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-latest $(DEMO) build *.egg-info

CONSTRAINTS ?= constraints/colab.txt

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ponytaco needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e ".[demo,evaluate,notebook,tensorboard,test]"
	touch $@

# Debian and Ubuntu keep a part of Python's venv in a package of its own.
.PHONY: debian-venv
debian-venv:
	@echo "Python's venv is incomplete: it needs the Debian package python3-venv."
	@if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then \
	  sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv; \
	else echo "Install it with: sudo apt-get install python3-venv"; exit 1; fi
