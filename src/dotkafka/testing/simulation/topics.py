"""The topics of a simulation, each with a fate of its own."""

from __future__ import annotations

from typing import Final

STEADY: Final = "steady"
GROWING: Final = "growing"
"""Gets more partitions."""
TRIMMED: Final = "trimmed"
"""Records of it are deleted."""
FORGETTING: Final = "forgetting"
"""Keeps a few kilobytes only."""
COMPACTED: Final = "compacted"
"""Keeps the newest record of each key."""
PASSING: Final = "passing"
"""Is deleted and created again."""
STAYING: Final = {STEADY: 3, GROWING: 1, TRIMMED: 2, FORGETTING: 1, COMPACTED: 2}
"""Those that are never deleted, and the partitions that they begin with."""
EVERYTHING: Final = (*STAYING, PASSING)
