# Everything runs from .venv in this folder, by relative paths: the checkout may lie anywhere, spaces included.
# Console scripts are handed to the interpreter because the path in their first line breaks when the folder moves.

SHELL := bash
PYTHON ?= python3
VENV := .venv/bin/python
INSTALLED := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo demo-reset test torture bench check lock audit
.DEFAULT_GOAL := help

help:
	@echo "make demo        the whole system with a season of events on http://127.0.0.1:8080 (PORT=... for another port)"
	@echo "make demo-reset  clear the data of the demo"
	@echo "make test        all tests (ARGS='-k webhook' for some of them)"
	@echo "make torture     the fault and attack tests at full length, about three quarters of an hour (ARGS='-k mail' for some of them)"
	@echo "make bench       how fast it is, and how close to what the machine allows (ARGS='--profile events', ARGS=--help)"
	@echo "make check       style, types, import rules, migrations, production settings"
	@echo "make lock        choose the versions in requirements*.txt anew (ARGS=--upgrade for the newest)"
	@echo "make audit       are there known holes in what is locked in requirements*.txt (needs the network)"
	@echo "make install     only fill .venv (PYTHON=python3.12 to choose the interpreter)"

demo: install
	@$(VENV) manage.py demo

demo-reset: install
	@$(VENV) manage.py demo --reset

test: install
	@$(VENV) -m pytest -n auto --dist worksteal $(ARGS)

# What breaks programs or attacks them. make test runs the same with fewer rounds.
torture: install
	@TORTURE=1 $(VENV) -m pytest -n auto --dist worksteal --timeout 1800 tests/faults tests/attacks tests/scale $(ARGS)

bench: install
	@$(VENV) -m bench.run $(ARGS)

# A key that is new each time, so that none stands here for somebody to use.
NEW_KEY = "$$($(VENV) -c 'import secrets; print(secrets.token_urlsafe(48))')"

check: install
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m tests.embedded_database -m mypy
	$(VENV) .venv/bin/lint-imports
	$(VENV) -m tests.embedded_database manage.py makemigrations --check --dry-run
	@echo "manage.py check --deploy"
	@DEBUG= SECRET_KEY=$(NEW_KEY) TICKET_KEY=$(NEW_KEY) PUBLIC_URL=https://tickets.example ALLOWED_HOSTS=tickets.example \
	  TRUSTED_PROXIES=100.64.0.0/10 \
	  $(VENV) -m tests.embedded_database manage.py check --deploy --fail-level WARNING

COMPILE = $(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url --no-emit-find-links $(ARGS)

lock: install
	@$(VENV) -m uv --version >/dev/null 2>&1 || $(VENV) -m pip install --quiet uv
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --output-file requirements-dev.txt --extra dev -c requirements.txt
	$(COMPILE) pyproject.toml --output-file requirements-sentry.txt --extra sentry -c requirements-dev.txt
	echo pip-audit | $(COMPILE) - --output-file requirements-audit.txt -c requirements-dev.txt

# The tool stands apart, so that nothing of it mixes with what it judges; its own packages are locked and judged as well.
AUDIT := .venv/audit/bin/python
# What the tool asks for each package.
ADVISORIES := https://pypi.org/pypi/pip/24.0/json

audit:
	@$(PYTHON) -c "import urllib.request as u; u.urlopen('$(ADVISORIES)', timeout=15)" 2>/dev/null || \
	  { echo "make audit asks pypi.org for known holes, and gets no answer here: run it where there is a network." >&2; \
	    exit 2; }
	@test -x $(AUDIT) || $(PYTHON) -m venv .venv/audit
	@$(AUDIT) -m pip install --quiet --require-hashes -r requirements-audit.txt
	@$(AUDIT) -m pip_audit --disable-pip --require-hashes --strict --progress-spinner off \
	  $(addprefix -r ,$(wildcard requirements*.txt))

install: $(INSTALLED) ; @:

# The stamp is written last. Where it is missing, something was interrupted, and .venv is made from nothing.
$(INSTALLED): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@{ test -e $@ && $(VENV) -m pip --version >/dev/null 2>&1; } || $(PYTHON) -m venv --clear .venv || \
	  { echo "Cannot make .venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@rm -f $@
	@echo "Installing into .venv, about a minute the first time"
	@set -o pipefail; $(VENV) -m pip install --require-hashes --progress-bar off -r requirements-dev.txt \
	  2> >(grep -v "^WARNING: Location" >&2) | $(SHOW_PROGRESS)
	@touch $@

# Counts on one line of a terminal, every twentieth package elsewhere. What pip has to complain about stays, but for
# one warning per package and local index without it.
SHOW_PROGRESS = awk -v all="$$(grep -c == requirements-dev.txt)" -v tty="$$(test -t 2 && echo 1)" ' \
  /^(Collecting|Processing|Requirement already)/ { n++; \
    if (tty) printf "\r\033[K  %d of %d", n, all; else if (n % 20 == 0) printf "  %d of %d\n", n, all; fflush() } \
  /^Installing collected/ { printf "%s  unpacking %d packages\n", tty ? "\r\033[K" : "", n; fflush() }'
