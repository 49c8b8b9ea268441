# make demo   install into .venv and age real faces          make test   install and run all tests
# make lint   style and types                                make clean  remove .venv and the demo's output
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
.PHONY: demo test test-paddle26 lint clean

demo: $(VENV)/.installed
	$(BIN)/python -m work.scripts.demo

test: $(VENV)/.test-installed
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest
ifdef CI
	$(MAKE) test-paddle26
endif

# The newest GPU build on PyPI is 2.6.2: what must hold there is tested there.
test-paddle26: .venv-paddle26/.installed
	.venv-paddle26/bin/python -m pytest tests/parity

lint: $(VENV)/.test-installed
	$(BIN)/python -m ruff check --fix . && $(BIN)/python -m ruff format . && $(BIN)/python -m mypy

# A Paddle that $(PYTHON) has is used as it is (parent.pth shows its packages to the new environment); else the GPU
# build where there is an NVIDIA driver, else the CPU one.
$(VENV)/.installed: requirements.txt requirements-cpu.txt requirements-common.txt
	$(PYTHON) -m venv $(VENV)
	@if $(PYTHON) -c "import importlib.util as u, sys; sys.exit(u.find_spec('paddle') is None)"; then \
	  echo "using the installed Paddle"; list=requirements-common.txt; \
	  $(PYTHON) -c "import sys; print(*[p for p in sys.path if p.endswith('-packages')], sep='\n')" \
	    > "$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/parent.pth"; \
	elif nvidia-smi >/dev/null 2>&1; then list=requirements.txt; else list=requirements-cpu.txt; fi; \
	$(BIN)/python -m pip install -q --disable-pip-version-check -r $$list
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed requirements-test.txt requirements-web.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-test.txt
	@touch $@

.venv-paddle26/.installed: requirements-common.txt
	$(PYTHON) -m venv .venv-paddle26
	.venv-paddle26/bin/python -m pip install -q --disable-pip-version-check "paddlepaddle==2.6.2" setuptools pytest -r requirements-common.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-paddle26 demo_output
