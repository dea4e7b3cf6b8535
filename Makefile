# make demo    the whole chain on drawn faces, and its table
# make test    lint and tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint clean

$(VENV)/.runtime: setup.py pyproject.toml .ci/make_environment.py
	@$(PYTHON) .ci/make_environment.py $(VENV) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	@$(PYTHON) .ci/make_environment.py $(VENV) --editable '.[test]'
	@touch $@

demo: $(VENV)/.runtime
	$(BIN)/kd-reproduce --scale=quick --model_dir=demo

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Two processes: most of the time goes into tracing, which uses one core. Whoever is idle takes tests of the other.
test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

clean:
	rm -rf $(VENV) build dist *.egg-info
