"""How privacy says no."""

from collections.abc import Sequence

from homeproductions.errors import Refused


class WorksHere(Refused):
    message = "This address belongs to the house."


class Changed(Refused):
    message = "Something about this person came or changed while it was looked at. Nothing was done; look again."


class StillOpen(Refused):
    """`matters` says one sentence for each thing that is not over."""

    message = "This person still has to be reached."

    def __init__(self, matters: Sequence[str]) -> None:
        super().__init__()
        self.matters = list(matters)
