"""The settings that a consumer group may have of its own (KIP-848).

What a group does not set, the broker sets for all of them; and what the broker allows bounds what a group may set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dotkafka.errors import ApiError
from dotkafka.metadata.configs import ConfigDefinition, ConfigType, parse_all
from dotkafka.protocol.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

SESSION_TIMEOUT: Final = "consumer.session.timeout.ms"
HEARTBEAT_INTERVAL: Final = "consumer.heartbeat.interval.ms"
ASSIGNMENT_INTERVAL: Final = "consumer.assignment.interval.ms"

GROUP_CONFIGS: Final[Mapping[str, ConfigDefinition]] = {
    name: ConfigDefinition(name, ConfigType.INT, None, documentation, broker_synonym=f"group.{name}")
    for name, documentation in (
        (ASSIGNMENT_INTERVAL, "The least time between two assignments of the group."),
        (HEARTBEAT_INTERVAL, "How often members are told to send heartbeats."),
        (SESSION_TIMEOUT, "After this long without a heartbeat a member is removed."),
    )
}
"""Every setting of a group, by name."""


class Bounds(NamedTuple):
    """What a setting may be, and what it is where the group does not set it."""

    minimum: int
    maximum: int
    default: int


def validate_group_configs(configs: Mapping[str, str], bounds: Mapping[str, Bounds]) -> None:
    """Refuse settings that a group may not be given.

    Args:
        configs: all that the group is to have of its own.
        bounds: what the broker allows, for each setting.

    Raises:
        ApiError: INVALID_CONFIG.
    """
    values = parse_all(GROUP_CONFIGS, configs, kind="group")
    for name, value in values.items():
        minimum, maximum, _ = bounds[name]
        if not minimum <= value <= maximum:
            raise ApiError(
                ErrorCode.INVALID_CONFIG, f"{name} must be {minimum} to {maximum} on this broker, not {value}."
            )
    session_ms, heartbeat_ms = (
        values.get(name, bounds[name].default) for name in (SESSION_TIMEOUT, HEARTBEAT_INTERVAL)
    )
    if session_ms <= heartbeat_ms:
        raise ApiError(
            ErrorCode.INVALID_CONFIG,
            f"{SESSION_TIMEOUT} ({session_ms}) must be above {HEARTBEAT_INTERVAL} ({heartbeat_ms}).",
        )
