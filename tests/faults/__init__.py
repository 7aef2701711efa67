"""Real programs, broken on purpose while guests buy tickets, and what must be true afterwards.

`house.py` starts the programs, `evening.py` sends the guests, `post_office.py` takes the mail, and `after.py` looks at
what is left: every scenario ends with the same look, and `test_after.py` shows that it sees.
"""
