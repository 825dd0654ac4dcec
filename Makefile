# make demo   the four commands on sample_data/, into demo/
# make test   format, lint, types, layers, tests
# make test-faults  the long suite of injected faults (kills, full disks, damaged files)
# make audit  known vulnerabilities of the dependencies; asks pip's index, so it needs the network
# make bench  the benchmark beside its peers; needs DATA=DIR, benchmarks/README.md says of what
# make bench-quick  its short rows alone
# make clean  away with everything that these made
#
# Needs python3 (3.11 or later) and make; makes its own environment in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
DATA := sample_data
DEMO := demo

.PHONY: help demo test test-faults audit bench bench-quick format clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# //p' Makefile

# Reinstalled when what they were made from changes; the editable install follows the code by itself.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "recsys needs Python 3.11 or later: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

demo: $(VENV)/installed
	rm -rf $(DEMO)
	$(BIN)/recsys preprocess $(DATA)/interactions.csv --items $(DATA)/items.csv --users $(DATA)/users.csv \
	  --output $(DEMO)/data --table
	$(BIN)/recsys train $(DEMO)/data --output $(DEMO)/model --preset fast --table
	$(BIN)/recsys score $(DEMO)/model --dataset $(DEMO)/data --output $(DEMO)/recommendations.parquet \
	  --top-k 10 --show 3 --table
	$(BIN)/recsys evaluate $(DEMO)/model $(DEMO)/data --split test --output $(DEMO)/metrics.json --table

test: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

test-faults: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m faults

# In an environment of its own. What could not be looked up fails it too: an audit that saw nothing is none.
$(AUDIT)/installed: Makefile
	test -x $(AUDIT)/bin/python || $(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9'
	touch $@

audit: $(AUDIT)/installed
	$(AUDIT)/bin/pip-audit --strict --progress-spinner off --disable-pip --no-deps --requirement constraints.txt

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/run.py --data $(DATA)

bench-quick: $(VENV)/installed-bench
	$(BIN)/python benchmarks/run.py --data $(DATA) --quick

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(AUDIT) .venv-peers benchmark-output $(DEMO) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
