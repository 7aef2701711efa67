"""A program on a host whose clock is wrong: `skewed.py SECONDS MODULE ARGUMENTS...` is `python -m MODULE ARGUMENTS...`,
and `skewed.py SECONDS PROGRAM.py ARGUMENTS...` is `python PROGRAM.py ARGUMENTS...`.

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
    sys.path.insert(0, ".")
    runpy.run_path(name, run_name="__main__")
else:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
