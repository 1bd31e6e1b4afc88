"""FindCoordinator (key 10): find the broker that coordinates a group, a transactional id or a share partition.

- 0: groups only. 1: `key_type`, 0 group, 1 transaction, 2 share. 4: many keys in one request.
- 5: an error code for transactions (KIP-890). 6: share groups.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class FindCoordinatorRequest:
    """What is looked for: `key` before version 4, `coordinator_keys` since."""

    key: String = field("0-3")
    key_type: Int8 = field("1+")
    coordinator_keys: Array[String] = field("4+")


@struct
class FindCoordinatorResponse:
    """Where it is: in fields of its own before version 4, in `coordinators` since."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    error_code: Int16 = field("0-3")
    error_message: String | None = field("1-3", nullable="1-3", ignorable=True)
    node_id: Int32 = field("0-3")
    host: String = field("0-3")
    port: Int32 = field("0-3")
    coordinators: Array[Coordinator] = field("4+")


@struct
class Coordinator:
    """The coordinator of one key."""

    key: String = field("4+")
    node_id: Int32 = field("4+")
    host: String = field("4+")
    port: Int32 = field("4+")
    error_code: Int16 = field("4+")
    error_message: String | None = field("4+", nullable="4+", ignorable=True)


FIND_COORDINATOR = Api(
    10, versions="0-6", flexible="3+", request=FindCoordinatorRequest, response=FindCoordinatorResponse
)
