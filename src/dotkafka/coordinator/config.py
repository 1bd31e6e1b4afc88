"""The settings of a group coordinator, under Kafka's names."""

import attrs
from attrs.validators import ge


@attrs.frozen(kw_only=True)
class GroupConfig:
    """What an operator may choose about consumer groups."""

    group_initial_rebalance_delay_ms: int = attrs.field(default=10, validator=ge(0))
    """How long an empty group waits for more members before its first rebalance.

    Kafka waits 3000 ms, tuned for fleets that start over seconds, and every test and script pays for it. 10 ms still
    gather the members that one program starts together, and are lost in what a client itself takes to its first read.
    """

    group_min_session_timeout_ms: int = attrs.field(default=6_000, validator=ge(0))
    """The shortest session timeout that a member may ask for."""

    group_max_session_timeout_ms: int = attrs.field(default=1_800_000, validator=ge(0))
    """The longest session timeout that a member may ask for."""

    group_max_size: int = attrs.field(default=2**31 - 1, validator=ge(1))
    """How many members a group may have."""

    offset_metadata_max_bytes: int = attrs.field(default=4_096, validator=ge(0))
    """The longest metadata that may be committed with an offset; counted in characters, as Kafka counts it."""

    offsets_retention_minutes: int = attrs.field(default=10_080, validator=ge(1))
    """How long committed offsets outlive the last member of their group, or their commit where there are no members."""

    offsets_retention_check_interval_ms: int = attrs.field(default=600_000, validator=ge(1))
    """How often expired offsets, and empty groups without offsets, are looked for."""

    @property
    def offsets_retention_ms(self) -> int:
        """The retention of offsets in milliseconds."""
        return self.offsets_retention_minutes * 60_000
