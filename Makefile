# Two commands do everything on a fresh machine: `make demo` and `make test`. Nothing is installed outside .venv,
# but for Debian packages that are absent while make runs as root.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
# Two workers: more only wait for the same disk, as the tests fsync. A file stays with one of them, so that what its
# tests share, a daemon or twelve days of flights, is made once.
WORKERS ?= 2

.DELETE_ON_ERROR:
.PHONY: help demo test lint check bench docs dashboards pictures grafana-types image soak clean venv real-parts

help:
	@echo 'make demo    the whole loop on real data, under 3 minutes; ARGS=--keep leaves it running'
	@echo 'make test    the tests'
	@echo 'make check   everything CI does: format, lint, types, layers, tests, promtool'
	@echo 'make docs    writes what docs/ says of settings, metrics and readings, from the code'
	@echo 'make dashboards  writes grafana/dashboards; make pictures draws them from a demo, into docs/images'
	@echo 'make bench   measures the figures the README quotes, writes bench/results.json'
	@echo 'make image   builds the image and starts docker-compose.yml with it; as root on Debian'
	@echo 'make soak    the long forms of the tests'
	@echo 'make venv    only the set-up; make clean removes it'

venv: $(STAMP)

$(STAMP): pyproject.toml
	@bash .ci/venv '$(PYTHON)' '$(VENV)'
	@bash .ci/again $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --editable '.[demo,dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/tocsin demo $(ARGS)

real-parts:
	@bash .ci/real-parts

docs: $(STAMP)
	$(BIN)/python -m monitor.settings.describe examples/tocsin.yaml > docs/settings.md
	$(BIN)/python -m monitor.settings.readings > docs/readings.md
	$(BIN)/python -m monitor.export.describe > docs/metrics.md
	$(BIN)/python -m monitor.backtest.describe > docs/backtest.schema.json

dashboards: $(STAMP)
	$(BIN)/python -m grafana

grafana-types:
	@bash .ci/grafana-types

pictures: $(STAMP) real-parts grafana-types
	@bash .ci/grafana-pictures '$(BIN)/python'

test: $(STAMP) real-parts
	$(PYTEST) -q -n $(WORKERS) --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint grafana-types test
	@bash .ci/promtool

bench: $(STAMP)
	$(BIN)/python -m bench

image: $(STAMP)
	@bash .ci/image

soak: $(STAMP) real-parts
	$(PYTEST) -q --soak -m soak --timeout 3600

clean:
	rm -rf $(VENV) build dist demo-state grafana/web/node_modules *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
