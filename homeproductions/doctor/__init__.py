"""What `manage.py doctor` looks at. Each check is a function that answers with a Finding; none changes anything.

finding.py what a check says · database.py the database itself · house.py what waits inside · outside.py what this
server depends on · checkup.py all of them in order · news.py what it said last, the one thing that it writes
"""
