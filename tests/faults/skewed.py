"""A program on a host whose clock is wrong: `-m tests.faults.skewed SECONDS gunicorn ARGUMENTS...` is `-m gunicorn
ARGUMENTS...`, and `... SECONDS manage.py ARGUMENTS...` is `manage.py ARGUMENTS...`.

Python's clock of the day is shifted, and goes on.
"""

import runpy
import sys
import time

import time_machine

seconds, name, *arguments = sys.argv[1:]
time_machine.travel(time.time() + float(seconds), tick=True).start()
sys.argv = [name, *arguments]
if name.endswith(".py"):
    runpy.run_path(name, run_name="__main__")
else:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
