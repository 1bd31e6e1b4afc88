"""DeleteGroups (key 42): delete groups that have no members."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class DeleteGroupsRequest:
    """The groups to delete."""

    groups_names: Array[String] = field()


@struct
class DeleteGroupsResponse:
    """What became of each group."""

    throttle_time_ms: Int32 = field()
    results: Array[DeletableGroupResult] = field()


@struct
class DeletableGroupResult:
    """What became of one group."""

    group_id: String = field()
    error_code: Int16 = field()


DELETE_GROUPS = Api(42, versions="0-2", flexible="2+", request=DeleteGroupsRequest, response=DeleteGroupsResponse)
