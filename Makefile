PYTHON ?= python3
BIN := .venv/bin
TORCH := $(shell sed -n 's/^\(torch==[0-9.]*\).*/\1/p' constraints.txt)
SIDE_BY_SIDE := -n 2 --dist loadfile
export HF_HUB_OFFLINE ?= 1

.PHONY: run quick test test-slow check bench clean

run: .venv/ready            ## base -> SFT -> preferences -> reward model -> PPO -> report, on the town
	$(BIN)/gyro run --out runs/default

quick: .venv/ready          ## the same at a size that answers in about a minute
	$(BIN)/gyro run --quick --out runs/quick

test: .venv/ready
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow"

test-slow: .venv/ready
	$(BIN)/pytest -m slow

check: .venv/ready          ## lint, types, floors and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow"

bench: .venv/ready
	$(BIN)/python bench/training.py
	$(BIN)/python bench/sampling.py
	$(BIN)/python bench/evaluation.py
	$(BIN)/python bench/debates.py

# torch is installed first and by its exact pin: a later, open range would fetch another build.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv runs
