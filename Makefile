# Two commands matter: `make demo` shows the main job, `make test` runs every check.
# Both start from nothing but `python3` and this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# napari draws with OpenGL, which Qt's "offscreen" platform lacks: without a screen a virtual X server is used.
ifeq ($(shell uname -s),Linux)
export QT_QPA_PLATFORM := xcb
endif

# Outside Linux there always is a screen; Wayland sessions set DISPLAY as well.
HAVE_SCREEN := $(or $(DISPLAY),$(filter-out Linux,$(shell uname -s)))
VIRTUAL_SCREEN := xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX"

.PHONY: help demo test check wheel pytest coverage screenshots clean

help:
	@echo "make demo         open the sample z-stack, click a cell, carry it through the stack (without a screen: demo-output/)"
	@echo "make test         style, types, layering, manifest, wheel and tests"
	@echo "make coverage     the share of lines and branches that the tests without a window run"
	@echo "make screenshots  draw the pictures of the README again, and every state of the window (demo-output/states)"
	@echo "make clean        remove the environment and everything built"

demo: $(VENV)/.demo-ready
ifeq ($(HAVE_SCREEN),)
	$(VIRTUAL_SCREEN) $(BIN)/napari-sam demo --headless --output demo-output
else
	$(BIN)/napari-sam demo
endif

# The tests come last, so that pytest's closing line ends the output.
test: check wheel pytest

check: $(VENV)/.test-ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate src/napari_sam/napari.yaml

wheel: $(VENV)/.test-ready
	$(BIN)/python scripts/check_wheel.py

# The tests are many small computations: a second thread only gets in the way, a second process does not. Each has a
# screen of its own. What measures time comes last, by itself.
pytest: $(VENV)/.test-ready
	OMP_NUM_THREADS=1 LP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not alone"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m alone

# Without a window: what needs one, or trains or measures a model, is left out. Takes longer than the same tests alone.
coverage: $(VENV)/.test-ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --cov --cov-report=term tests \
		--ignore tests/plugin --ignore tests/demo --ignore tests/training --ignore tests/benchmarks

screenshots: $(VENV)/.test-ready
	$(VIRTUAL_SCREEN) $(BIN)/python scripts/screenshots.py
	$(VIRTUAL_SCREEN) $(BIN)/python scripts/screenshots.py --states demo-output/states

# Each stamp is younger than what it was made from; an unchanged environment is left alone.
$(VENV)/.test-ready: pyproject.toml constraints.txt $(VENV)/.system-ready
	$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.demo-ready

$(VENV)/.demo-ready: pyproject.toml constraints.txt $(VENV)/.system-ready
	$(INSTALL) -e . "napari[pyqt6]"
	@touch $@

$(VENV)/.system-ready: scripts/install_x.sh
	sh scripts/install_x.sh
	$(PYTHON) -m venv $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) build dist demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
