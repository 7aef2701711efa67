"""Ticketing back end of Home Productions."""

__version__ = "4.0.0"
