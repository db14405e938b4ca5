# Two commands matter to a stranger: `make demo` and `make test`. Everything they need they set up themselves.
PYTHON ?= python3
BIN := .venv/bin
STAMPS := .venv/stamps
PAGE := src/bluelamp/web/static/single.js

.PHONY: demo test ready check bench soak frontend lock screenshots wheel clean

## demo: make up a force, plan for it and show its map
demo: $(STAMPS)/run $(PAGE)
	$(BIN)/bluelamp demo

## test: set up what the tests need and run every one of them
test: ready
	$(BIN)/python tests/compile_loops.py & (cd frontend && npm run --silent check && npm test --silent) && wait
	$(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder --durations=15

# Most of it is waiting for what others send: all at once.
ready:
	@$(MAKE) --no-print-directory -j4 $(STAMPS)/dev $(PAGE) $(STAMPS)/browser $(STAMPS)/postgresql $(STAMPS)/openid

## check: lint, types, who may import whom, and the docs
check: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/make_reference.py --check

## bench: measure against the bars and print them
bench: $(STAMPS)/dev $(PAGE) $(STAMPS)/browser
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/feeds.py

## soak: what takes minutes: hundreds of kills, thousands of flipped bits and mutated files
soak: $(STAMPS)/dev $(PAGE) $(STAMPS)/browser $(STAMPS)/postgresql $(STAMPS)/openid
	$(BIN)/python -m pytest -m soak -s

frontend: $(PAGE)

## screenshots: draw the pictures of the page in docs/
screenshots: $(STAMPS)/dev $(PAGE) $(STAMPS)/browser
	$(BIN)/python docs/make_screenshots.py

## wheel: the package with the built page inside
wheel: $(STAMPS)/dev $(PAGE)
	$(BIN)/python -m build --wheel --no-isolation

## lock: write down the exact versions that pyproject.toml allows today
lock: $(STAMPS)/dev
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header -o requirements/run.txt pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --extra all -o requirements/service.txt pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --extra all -o requirements/dev.txt pyproject.toml requirements/dev.in

clean:
	rm -rf .venv dist build frontend/node_modules src/bluelamp/web/static

$(STAMPS)/venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: $(STAMPS)/venv requirements/run.txt requirements/build.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(STAMPS)/dev: $(STAMPS)/venv requirements/dev.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(PAGE): frontend/package-lock.json frontend/build.mjs frontend/tsconfig.json $(wildcard frontend/src/*)
	cd frontend && npm ci --silent --no-audit --no-fund && npm run --silent build
	touch $@

# Chromium comes from Debian and needs root; without either, the tests that want it are skipped and counted.
$(STAMPS)/browser: $(STAMPS)/venv
	sh tests/browser/install_chromium.sh
	touch $@

# PostgreSQL does so too; the tests start it for themselves.
# After the browser: Debian's installer does one thing at a time.
$(STAMPS)/postgresql: $(STAMPS)/venv | $(STAMPS)/browser
	sh tests/sources/install_postgresql.sh
	touch $@

# A real OpenID provider, which the tests of signing in start for themselves.
$(STAMPS)/openid: tests/openid/package-lock.json $(STAMPS)/venv
	cd tests/openid && npm ci --silent --no-audit --no-fund --ignore-scripts
	touch $@
