"""The settings of a group coordinator, under Kafka's names."""

import enum
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import attrs

from dotkafka.validation import whole_number

MAX_ASSIGNMENT_INTERVAL_MS: Final = 15_000
"""The longest interval between assignments that a group may have of its own."""


class MigrationPolicy(enum.Enum):
    """Which way groups may go between the classic and the consumer protocol while they have members."""

    BIDIRECTIONAL = "bidirectional"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    DISABLED = "disabled"

    @property
    def allows_upgrade(self) -> bool:
        """Whether a consumer may join a group of the classic protocol by the consumer protocol."""
        return self in {MigrationPolicy.BIDIRECTIONAL, MigrationPolicy.UPGRADE}

    @property
    def allows_downgrade(self) -> bool:
        """Whether a group becomes classic when its last member that is not has left."""
        return self in {MigrationPolicy.BIDIRECTIONAL, MigrationPolicy.DOWNGRADE}


class ConsumerGroupTimes(NamedTuple):
    """The times that hold for one consumer group."""

    session_timeout_ms: int
    heartbeat_interval_ms: int
    assignment_interval_ms: int


def _in_range_of(minimum: str, maximum: str) -> Any:
    """The check that a setting lies between two others."""

    def check(config: Any, attribute: Any, value: int) -> None:
        if not getattr(config, minimum) <= value <= getattr(config, maximum):
            raise ValueError(f"{attribute.name} must be from {minimum} to {maximum}")

    return check


@attrs.frozen(kw_only=True)
class GroupConfig:
    """What an operator may choose about consumer groups."""

    group_initial_rebalance_delay_ms: int = whole_number(10, at_least=0)
    """How long an empty group waits for more members before its first rebalance.

    Kafka waits 3000 ms, tuned for fleets that start over seconds, and every test and script pays for it. 10 ms still
    gather the members that one program starts together, and are lost in what a client itself takes to its first read.
    """

    group_min_session_timeout_ms: int = whole_number(6_000, at_least=0)
    """The shortest session timeout that a member may ask for."""

    group_max_session_timeout_ms: int = whole_number(1_800_000, at_least=0)
    """The longest session timeout that a member may ask for."""

    group_max_size: int = whole_number(2**31 - 1, at_least=1)
    """How many members a group may have."""

    offset_metadata_max_bytes: int = whole_number(4_096, at_least=0)
    """The longest metadata that may be committed with an offset; counted in characters, as Kafka counts it."""

    offsets_retention_minutes: int = whole_number(10_080, at_least=1)
    """How long committed offsets outlive the last member of their group, or their commit where there are no members."""

    offsets_retention_check_interval_ms: int = whole_number(600_000, at_least=1)
    """How often expired offsets, and empty groups without offsets, are looked for."""

    group_consumer_min_session_timeout_ms: int = whole_number(45_000, at_least=1)
    """The shortest session timeout that a consumer group may have."""

    group_consumer_max_session_timeout_ms: int = whole_number(60_000, at_least=1)
    """The longest session timeout that a consumer group may have."""

    group_consumer_session_timeout_ms: int = attrs.field(
        default=45_000,
        validator=_in_range_of("group_consumer_min_session_timeout_ms", "group_consumer_max_session_timeout_ms"),
    )
    """After this long without a heartbeat a member of a consumer group is removed."""

    group_consumer_min_heartbeat_interval_ms: int = whole_number(5_000, at_least=1)
    """The shortest heartbeat interval that a consumer group may have."""

    group_consumer_max_heartbeat_interval_ms: int = whole_number(15_000, at_least=1)
    """The longest heartbeat interval that a consumer group may have."""

    group_consumer_heartbeat_interval_ms: int = attrs.field(
        default=5_000,
        validator=_in_range_of("group_consumer_min_heartbeat_interval_ms", "group_consumer_max_heartbeat_interval_ms"),
    )
    """How often members of a consumer group are told to send heartbeats."""

    group_consumer_assignment_interval_ms: int = whole_number(0, at_least=0, at_most=MAX_ASSIGNMENT_INTERVAL_MS)
    """The least time between two assignments of a consumer group; changes meanwhile wait and are assigned together.

    Kafka waits 1000 ms, for fleets of thousands of members. Who joins meanwhile gets nothing before its second
    heartbeat, which here would be most of what a test waits for.
    """

    group_consumer_max_size: int = whole_number(2**31 - 1, at_least=1)
    """How many members a consumer group may have."""

    group_consumer_migration_policy: MigrationPolicy = attrs.field(
        default=MigrationPolicy.BIDIRECTIONAL, converter=MigrationPolicy
    )
    """Whether groups with members change between the classic and the consumer protocol."""

    def consumer_times(self, group_configs: Mapping[str, str]) -> ConsumerGroupTimes:
        """The times of a consumer group with these settings of its own, brought within what is allowed now."""
        if not group_configs:
            return ConsumerGroupTimes(
                self.group_consumer_session_timeout_ms,
                self.group_consumer_heartbeat_interval_ms,
                self.group_consumer_assignment_interval_ms,
            )
        return ConsumerGroupTimes(
            _clamped(
                group_configs.get("consumer.session.timeout.ms", self.group_consumer_session_timeout_ms),
                self.group_consumer_min_session_timeout_ms,
                self.group_consumer_max_session_timeout_ms,
            ),
            _clamped(
                group_configs.get("consumer.heartbeat.interval.ms", self.group_consumer_heartbeat_interval_ms),
                self.group_consumer_min_heartbeat_interval_ms,
                self.group_consumer_max_heartbeat_interval_ms,
            ),
            _clamped(
                group_configs.get("consumer.assignment.interval.ms", self.group_consumer_assignment_interval_ms),
                0,
                MAX_ASSIGNMENT_INTERVAL_MS,
            ),
        )

    def __attrs_post_init__(self) -> None:
        if self.group_consumer_heartbeat_interval_ms >= self.group_consumer_session_timeout_ms:
            raise ValueError("group_consumer_heartbeat_interval_ms must be below group_consumer_session_timeout_ms")

    @property
    def offsets_retention_ms(self) -> int:
        """The retention of offsets in milliseconds."""
        return self.offsets_retention_minutes * 60_000


def _clamped(value: str | int, minimum: int, maximum: int) -> int:
    return min(max(int(value), minimum), maximum)
