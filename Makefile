# Each target sets up what it needs on the first run and starts at once on the next.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lab check measure bench fuzz routes faults kills soak clean

help:
	@echo "make demo    set up, record the packaged speech, show its turns"
	@echo "make test    set up, run all tests, the browser's included"
	@echo "make lab     open JupyterLab on the quick start"
	@echo "make check   format, lint, strict types"
	@echo "make measure accuracy and speed of the local recogniser: SPEECH=folder"
	@echo "make bench   cost of timing and of views, at 10 s and at 3 h"
	@echo "make fuzz    the generated tests, each with 3,000 new cases (5 min)"
	@echo "make routes  the browser's microphone in every place, with a kernel busy for 3 min (75 min)"
	@echo "make faults  break network and service in every way, count what is lost (7 min)"
	@echo "make kills   kill 200 recordings at random instants, count what is lost (4 min)"
	@echo "make soak    an hour of audio with a fault every half minute (10 min), 500 starts"

demo: $(VENV)/.ready-demo
	@$(BIN)/python scripts/demo.py

test: $(VENV)/.ready-test
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/mypy
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not quiet"
	@$(BIN)/pytest -n 2 --dist loadfile -m quiet

lab: $(VENV)/.ready-demo
	@$(BIN)/jupyter lab notebooks/01_quickstart.ipynb

check: $(VENV)/.ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

measure: $(VENV)/.ready-test
	$(BIN)/python scripts/measure_gaps.py
	$(BIN)/python scripts/measure_recogniser.py $(SPEECH)

bench: $(VENV)/.ready-test
	$(BIN)/python scripts/benchmark_timing.py
	$(BIN)/python scripts/benchmark_view.py
	$(BIN)/python scripts/benchmark_inspector.py
	$(BIN)/python scripts/benchmark_browser.py

fuzz: $(VENV)/.ready-test
	$(BIN)/pytest -n 2 -m hypothesis --hypothesis-profile fuzz --timeout 0

routes: $(VENV)/.ready-test
	$(BIN)/python scripts/routes.py --write

faults: $(VENV)/.ready-test
	$(BIN)/python scripts/faults.py

kills: $(VENV)/.ready-test
	$(BIN)/python scripts/kills.py 200 --write

soak: $(VENV)/.ready-test
	$(BIN)/python scripts/soak.py --starts 500 --write
	$(BIN)/python scripts/soak.py --minutes 60 --speed 8 --write

clean:
	rm -rf $(VENV) tests/node/node_modules .mypy_cache .pytest_cache .ruff_cache artifacts

$(VENV)/.ready-demo: pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh demo $(PYTHON) $(VENV)

$(VENV)/.ready-test: pyproject.toml scripts/setup.sh tests/node/package-lock.json
	@bash scripts/setup.sh test $(PYTHON) $(VENV)
