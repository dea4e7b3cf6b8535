# make demo    the whole chain on drawn faces, and its table
# make test    lint and tests; make test-fast, make test-slow: some of them
# Both with PYTHON=python3.13 for another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# In the names of the stamps, so that another PYTHON gets another environment.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

.PHONY: demo test test-fast test-slow lint clean

$(VENV)/.runtime-$(VERSION): setup.py pyproject.toml .ci/make_environment.py
	@$(PYTHON) .ci/make_environment.py $(VENV) --editable .
	@touch $@

$(VENV)/.test-$(VERSION): $(VENV)/.runtime-$(VERSION)
	@$(PYTHON) .ci/make_environment.py $(VENV) --editable '.[test]'
	@touch $@

demo: $(VENV)/.runtime-$(VERSION)
	$(BIN)/kd-reproduce --scale=quick --model_dir=demo

lint: $(VENV)/.test-$(VERSION)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Two processes: most of the time goes into tracing, which uses one core. Whoever is idle takes tests of the other.
test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# What most depends on the line of TensorFlow, in some minutes.
test-fast: $(VENV)/.test-$(VERSION)
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/tensorflow_line_test.py tests/lines_test.py tests/losses tests/distillers \
		tests/networks tests/teachers tests/export tests/training/optimizers_test.py tests/training/checkpoints_test.py

test-slow: $(VENV)/.test-$(VERSION)
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) build dist *.egg-info
