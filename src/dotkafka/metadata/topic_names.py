"""Which topic names are legal, which collide, and which belong to the broker itself."""

from __future__ import annotations

import re
from typing import Final

from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode

CONSUMER_OFFSETS_TOPIC: Final = "__consumer_offsets"
TRANSACTION_STATE_TOPIC: Final = "__transaction_state"
SHARE_GROUP_STATE_TOPIC: Final = "__share_group_state"
CLUSTER_METADATA_TOPIC: Final = "__cluster_metadata"
"""Where the metadata itself is kept: no client sees it or may have a topic of that name."""
CLUSTER_METADATA_TOPIC_ID: Final = bytes(15) + b"\x01"
"""Fixed by Kafka."""

INTERNAL_TOPICS: Final = frozenset({CONSUMER_OFFSETS_TOPIC, TRANSACTION_STATE_TOPIC, SHARE_GROUP_STATE_TOPIC})
"""Topics that only the broker writes: it creates them when they are needed."""

MAX_NAME_LENGTH: Final = 249
_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def validate_topic_name(name: str) -> None:
    """Refuse a name that no topic may have.

    Raises:
        ApiError: INVALID_TOPIC_EXCEPTION, saying what is wrong with it.
    """
    if not name:
        reason = "it is empty"
    elif name in {".", ".."}:
        reason = f"{name!r} stands for a folder"
    elif len(name) > MAX_NAME_LENGTH:
        reason = f"it has {len(name)} characters; {MAX_NAME_LENGTH} are allowed"
    elif not _LEGAL_NAME.fullmatch(name):
        reason = f"{name!r} has characters other than ASCII letters, digits, '.', '_' and '-'"
    else:
        return
    raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"The topic name is invalid: {reason}.")


def unified_name(name: str) -> str:
    """Return the name under which two topics collide: '.' and '_' are the same letter in the names of metrics."""
    return name.replace(".", "_")


def is_internal(name: str) -> bool:
    """Tell whether a topic is one of those that only the broker writes."""
    return name in INTERNAL_TOPICS
