PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
OPENCV = $(shell sed -n 's/^opencv-python-headless==/==/p' constraints.txt)

.PHONY: help setup demo test lint docs web-runtime test-web fuzz soak

help:
	@echo "make demo   set up, then train and evaluate both models and run them on a video (runs/demo)"
	@echo "make test   set up, then run the default test suite"
	@echo "make setup  set up only: a virtual environment in $(VENV)"
	@echo "make lint   set up, then check style and types with ruff and mypy"
	@echo "make docs   set up, then build the documentation site (build/site)"
	@echo "make web-runtime   download the browser runtime of densevision web with npm (densevision/web/runtime)"
	@echo "make test-web      set up with Chromium and the runtime, then run the tests in a browser"
	@echo "make fuzz   set up, then damage files of every kind and read them (FUZZ_SECONDS, GUIDED_SECONDS per reader)"
	@echo "make soak   set up, then work in one process and watch memory, descriptors and threads (SOAK_MINUTES, 30)"

setup: $(READY)

# mmengine asks for opencv-python and albumentations for opencv-python-headless; both own the folder cv2.
# The headless build goes in last, so that the setup also works where libGL is missing.
$(READY): setup.cfg constraints.txt requirements-runtime.txt
	@echo "setting up $(VENV): about 6 GB of packages, which takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev,docs,tflite]"
	$(BIN)/python -m pip install -q --force-reinstall --no-deps opencv-python-headless$(OPENCV)
	@touch $@

demo: setup
	$(BIN)/densevision quickstart --out runs/demo

# One process per core; a file's tests share its fixtures, so that they stay together.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A wheel that is built afterwards contains it.
web-runtime:
	$(PYTHON) tools/web_runtime.py

test-web: setup web-runtime
	command -v chromium || command -v google-chrome || apt-get install -y --no-install-recommends chromium
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[browser]"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow or not slow" tests/web tests/browser

FUZZ_SECONDS ?= 1800
GUIDED_SECONDS ?= 120
SOAK_MINUTES ?= 30

fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.fuzz.run --cases 100000 --seconds $(FUZZ_SECONDS)
	$(BIN)/python -m pip install -q -c constraints.txt atheris
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.fuzz.guided --seconds $(GUIDED_SECONDS)

soak: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.soak --minutes $(SOAK_MINUTES)
