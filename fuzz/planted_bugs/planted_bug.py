"""What a planted bug is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fuzz.instruments import Instrument


class Edit(NamedTuple):
    """One place of the source, named by text that stands there once."""

    file: str
    """Below src/dotkafka."""
    old: str
    new: str


class PlantedBug(NamedTuple):
    """A bug, and which instrument is to be asked first."""

    name: str
    story: str
    seen_by: Instrument
    edits: tuple[Edit, ...]
