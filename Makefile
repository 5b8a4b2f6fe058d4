# One command per job, the same on a laptop and in CI. Everything runs from .venv, which `make install` makes.
# Paths are relative throughout, so that a checkout may lie under a path with spaces.

PYTHON ?= python3
RUN := .venv/bin/python -m

.PHONY: install demo test check fuzz bench format clean

install: .venv/installed

.venv/installed: pyproject.toml setup.py constraints.txt src/trunkline/audio/_kernels.pyx scripts/system-packages
	@bash scripts/system-packages espeak-ng
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,bench,local]'
	# The wheel is wanted for the model file in it; it declares torch, which nothing here imports.
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt silero-vad
	touch .venv/installed

demo: install
	$(RUN) trunkline demo

test: install
	# What some tests are judged by: they are skipped, and say so, where these can't be had.
	@bash scripts/system-packages --optional ffmpeg tshark gst-launch-1.0
	$(RUN) pytest

check: install
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) pytest -q tests/test_architecture.py

format: install
	$(RUN) ruff format
	$(RUN) ruff check --fix

fuzz: install
	TRUNKLINE_FUZZ=1 $(RUN) pytest -q -k "any or damaged or fuzz" --hypothesis-profile=fuzz --timeout=1800

bench: install
	$(RUN) trunkline bench

clean:
	rm -rf .venv build *.egg-info src/*.egg-info src/trunkline/audio/_kernels.c src/trunkline/audio/*.so
