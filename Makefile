# make demo    from nothing to a voice: a synthetic speaker is made, learnt and spoken with
# make test    the test suite, under the versions that Google Colab has
# make check   lint, types, the notebooks' form and the layers
# make soak    what draws by chance or kills sessions, much longer
# make test-latest   the suite on the newest versions of everything
# make test-browser  the notebooks in a real browser; screenshots go to test-output/
# make test-gpu  what needs CUDA, with PYTHON's own torch: the environment of `make test` has none
# make home URL=https://github.com/OWNER/REPO   tell notebooks and README where they live
# Each makes the virtual environment it needs; nothing is installed by hand.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
DEMO_MINUTES ?= 6

.PHONY: help demo test test-latest test-browser test-gpu soak home check format clean

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

# Threads that wait for each other give the core away soon: on a machine that does something
# else, too, spinning threads would take ten times as long.
demo: export GOMP_SPINCOUNT = 2000
demo: $(VENV)/.installed
	mkdir -p $(DEMO)
	$(BIN)/python -m data_prep demo $(DEMO)/Demo.tar --overwrite
	$(BIN)/python -m data_prep prepare $(DEMO)/Demo.tar $(DEMO)/Demo
	$(BIN)/ponytaco train $(DEMO)/Demo $(DEMO)/run --preset small --p-arpabet 1 \
	  --max-minutes $(DEMO_MINUTES) --set decay_start=400 --set decay_steps=200 --set drop_frame_rate=0.2
	$(BIN)/python -m examples.demo $(DEMO)

# One thread a process and a process a core: the suite's tensors are too small to share.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

soak: $(VENV)/.installed
	OMP_NUM_THREADS=1 PONYTACO_SOAK=1 $(BIN)/python -m pytest -n auto tests/io/store tests/data_prep \
	  tests/text tests/training/test_kills.py tests/training/test_interrupts.py tests/io/torchfile/test_files.py tests/io/torchfile/test_modules.py \
	  tests/data_prep/test_hostile_labels.py tests/audio/test_hostile_wav.py tests/data/test_dataset_folder.py

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_notebooks.py tests/test_layers.py

# torch stays at the constraint's build: the newest one on Linux is gigabytes of CUDA.
test-latest:
	$(MAKE) test VENV=.venv-latest CONSTRAINTS=constraints/latest.txt

# Twice: as on Colab, and with the newest JupyterLab in the environment of test-latest.
test-browser: $(VENV)/.browser
	@test -x "$(CHROMIUM)" || $(MAKE) --no-print-directory debian-chromium
	$(MAKE) --no-print-directory VENV=.venv-latest CONSTRAINTS=constraints/latest.txt .venv-latest/.lab
	OMP_NUM_THREADS=1 PONYTACO_CHROMIUM="$(CHROMIUM)" PONYTACO_LAB_PYTHON=$(CURDIR)/.venv-latest/bin/python \
	  $(BIN)/python -m pytest -m browser tests/notebook/test_browser.py

test-gpu:
	$(PYTHON) -m pytest -m gpu tests/gpu

CHROMIUM ?= /usr/bin/chromium

$(VENV)/.browser: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e ".[browser]"
	touch $@

.venv-latest/.lab: .venv-latest/.installed
	.venv-latest/bin/python -m pip install --quiet -c constraints/latest.txt jupyterlab
	touch $@

home:
	$(PYTHON) tools/set_home.py "$(URL)" --branch $(BRANCH)

BRANCH ?= main

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-latest $(DEMO) test-output build *.egg-info

CONSTRAINTS ?= constraints/colab.txt

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ponytaco needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e ".[demo,evaluate,notebook,tensorboard,test]"
	touch $@

# Debian and Ubuntu keep a part of Python's venv in a package of its own.
.PHONY: debian-venv debian-chromium
debian-venv: WHY := Python's venv is incomplete: it
debian-venv: PACKAGE := python3-venv
debian-chromium: WHY := There is no $(CHROMIUM): the browser test
debian-chromium: PACKAGE := chromium

debian-venv debian-chromium:
	@echo "$(WHY) needs the Debian package $(PACKAGE)."
	@if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq $(PACKAGE); \
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then \
	  sudo apt-get update -qq && sudo apt-get install -y -qq $(PACKAGE); \
	else echo "Install it with: sudo apt-get install $(PACKAGE)"; exit 1; fi
