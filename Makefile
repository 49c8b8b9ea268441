# make demo   install into .venv and age real faces          make test   install and run all tests
# make lint   style and types                                make fuzz   damaged files for every reader (a minute)
# make clean  remove .venv and the demo's output
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
.PHONY: demo test test-paddle26 fuzz lint clean

demo: $(VENV)/.installed
	$(BIN)/python -m work.scripts.demo

test: $(VENV)/.test-installed
	$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
ifdef CI
	$(MAKE) test-paddle26
endif

# The newest GPU build on PyPI is 2.6.2: what must hold there is tested there.
test-paddle26: .venv-paddle26/.installed
	.venv-paddle26/bin/python -m pytest -n 2 --dist loadfile tests/parity

fuzz: $(VENV)/.test-installed
	$(BIN)/python -m tests.fuzz

lint: $(VENV)/.test-installed
	$(BIN)/python -m ruff check --fix . && $(BIN)/python -m ruff format . && $(BIN)/python -m mypy

# A Paddle that $(PYTHON) has is used as it is (parent.pth shows its packages to the new environment); otherwise
# install_paddle.py chooses a build. PADDLE_CUDA=cu118 and PADDLE_INDEX=... are handed to it.
export PADDLE_CUDA PADDLE_INDEX
$(VENV)/.installed: requirements-common.txt work/scripts/install_paddle.py
	$(PYTHON) -m venv $(VENV)
	@$(PYTHON) -c "import importlib.util as u, sys; \
	  u.find_spec('paddle') and print(*[p for p in sys.path if p.endswith('-packages')], sep='\n')" \
	  > "$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/parent.pth"
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-common.txt
	$(BIN)/python work/scripts/install_paddle.py
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed requirements-test.txt requirements-web.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-test.txt
	@touch $@

.venv-paddle26/.installed: requirements-common.txt
	$(PYTHON) -m venv .venv-paddle26
	.venv-paddle26/bin/python -m pip install -q --disable-pip-version-check "paddlepaddle==2.6.2" setuptools pytest pytest-xdist -r requirements-common.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-paddle26 demo_output fuzz_failures
