"""ListGroups (key 16): list the groups of one coordinator.

- 4: filter by state. 5: filter by type (KIP-848).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class ListGroupsRequest:
    """Filters by state and by type; an empty one lets all pass."""

    states_filter: Array[String] = field("4+")
    types_filter: Array[String] = field("5+")


@struct
class ListGroupsResponse:
    """The groups of this coordinator."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    error_code: Int16 = field()
    groups: Array[ListedGroup] = field()


@struct
class ListedGroup:
    """One group."""

    group_id: String = field()
    protocol_type: String = field()
    group_state: String = field("4+", ignorable=True)
    group_type: String = field("5+", ignorable=True)


LIST_GROUPS = Api(16, versions="0-5", flexible="3+", request=ListGroupsRequest, response=ListGroupsResponse)
