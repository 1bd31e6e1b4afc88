"""BrokerHeartbeat (key 63): a broker tells the controller that it lives (KIP-631).

- 1: directories that failed (KIP-858). 2: directories that take no new partitions (KIP-1066).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, Uuid, field, struct


@struct
class BrokerHeartbeatRequest:
    """How far the broker is, and what it wants."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field(default=-1)
    current_metadata_offset: Int64 = field()
    want_fence: Boolean = field()
    want_shut_down: Boolean = field()
    offline_log_dirs: Array[Uuid] = field("1+", tag=0)
    cordoned_log_dirs: Array[Uuid] | None = field("2+", nullable="2+", tag=1, default=None)


@struct
class BrokerHeartbeatResponse:
    """What the controller makes of the broker."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    is_caught_up: Boolean = field()
    is_fenced: Boolean = field(default=True)
    should_shut_down: Boolean = field()


BROKER_HEARTBEAT = Api(
    63, versions="0-2", flexible="0+", request=BrokerHeartbeatRequest, response=BrokerHeartbeatResponse
)
