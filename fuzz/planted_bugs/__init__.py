"""Bugs that logs, databases and brokers have had, to be planted in this one: do the instruments find them?

Each is a change of the source that is easily made and reads well. `python -m fuzz.mutants` plants them one by one.
"""

from fuzz.planted_bugs.groups import GROUP_BUGS
from fuzz.planted_bugs.logs import LOG_BUGS
from fuzz.planted_bugs.planted_bug import PlantedBug
from fuzz.planted_bugs.storage import STORAGE_BUGS

BUGS = (*STORAGE_BUGS, *LOG_BUGS, *GROUP_BUGS)

__all__ = ["BUGS", "PlantedBug"]
