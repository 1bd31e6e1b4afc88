"""Problems of a data directory: what, where, what it means, and what to do."""

from __future__ import annotations

from typing import Final

import attrs

MAX_LISTED: Final = 1000
"""A directory that is damaged all over gives no longer list; the rest is counted."""

_RECOVER: Final = "stop using this directory; restore a backup, or recover what can be with --salvage OUT"
_MEANINGS: Final = {
    "wal-segment": ("the write-ahead log is damaged; dotkafka serve refuses it", _RECOVER),
    "wal-damage": ("acknowledged writes may be lost; damage within the log makes dotkafka serve refuse it", _RECOVER),
    "wal-covered": (
        "the checkpoint has what these entries held; but this disk does not keep what it gets",
        _RECOVER,
    ),
    "wal-epoch": ("entries stand where their writer cannot have written them", _RECOVER),
    "wal-entry": ("an entry is whole, but what it holds is not what dotkafka writes", _RECOVER),
    "wal-missing": ("acknowledged writes may be lost with the part of the log that is not there", _RECOVER),
    "checkpoint-missing": ("what the write-ahead log no longer has is lost", _RECOVER),
    "checkpoint-file": ("the SQLite file is damaged; reads of old records fail or miss some", _RECOVER),
    "checkpoint-version": (
        "it was made by a newer dotkafka, and is not judged here",
        "check it with the release that has made it",
    ),
    "checkpoint-batch": ("these records are lost, and reading them fails", _RECOVER),
    "checkpoint-offsets": ("offsets are missing, or stand where they do not belong", _RECOVER),
    "checkpoint-snapshot": ("what the partition remembers of its producers and epochs cannot be trusted", _RECOVER),
    "topic-missing": ("the metadata do not know the topic; dotkafka serve would delete these records", _RECOVER),
    "metadata": ("topics or settings are lost", _RECOVER),
    "groups": ("committed offsets are lost", _RECOVER),
    "refused": ("dotkafka serve does not start on this directory", _RECOVER),
    "unreadable": (
        "it cannot be judged, nor served",
        "look at its permissions and the disk, and check again",
    ),
}


@attrs.frozen
class Problem:
    """One thing that is wrong."""

    kind: str
    """A short name that does not change, for programs."""
    where: str
    """File and byte, or file and partition."""
    what: str

    @property
    def meaning(self) -> str:
        """What follows from it."""
        return _MEANINGS[self.kind][0]

    @property
    def advice(self) -> str:
        """What to do."""
        return _MEANINGS[self.kind][1]


class Problems:
    """Gathers problems, up to `MAX_LISTED` of them."""

    def __init__(self) -> None:
        self.listed: list[Problem] = []
        self.count = 0
        self._known: set[Problem] = set()

    def report(self, kind: str, where: str, what: str) -> None:
        """Note a problem; the same one twice is one."""
        problem = Problem(kind, where, what)
        if problem in self._known:
            return
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(problem)
            self._known.add(problem)
