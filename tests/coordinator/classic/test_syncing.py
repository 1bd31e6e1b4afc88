"""SyncGroup, where scenarios do not reach."""

from collections.abc import Callable

import pytest

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.classic.syncing import sync_group
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

MakeMember = Callable[..., ClassicMember]


@pytest.fixture
def group(make_member: MakeMember) -> ClassicGroup:
    """A group of a leader and a follower that waits for assignments."""
    group = ClassicGroup("g", 0, GroupState.PREPARING_REBALANCE)
    group.add(make_member("leader"))
    group.add(make_member("follower"))
    group.begin_generation(0)
    return group


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SyncGroupRequest(member_id="nobody", generation_id=1), ErrorCode.UNKNOWN_MEMBER_ID),
        (SyncGroupRequest(member_id="leader", generation_id=0), ErrorCode.ILLEGAL_GENERATION),
        (
            SyncGroupRequest(member_id="leader", generation_id=1, protocol_type="x"),
            ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            SyncGroupRequest(member_id="leader", generation_id=1, protocol_name="x"),
            ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
        ),
    ],
)
def test_refusals(group: ClassicGroup, step: Step, request_: SyncGroupRequest, error: ErrorCode) -> None:
    """Who is not of this generation, or believes in another protocol, is told so."""
    with pytest.raises(ApiError) as refusal:
        sync_group(group, request_, "reply", step)
    assert refusal.value.error_code == error
    assert group.pending_sync_members == {"leader", "follower"}


def test_leader_assigns_to_members_alone(group: ClassicGroup, step: Step) -> None:
    """Assignments for strangers are dropped, and members that are left out get an empty one."""
    assignments = [
        SyncGroupRequestAssignment(member_id="leader", assignment=b"mine"),
        SyncGroupRequestAssignment(member_id="stranger", assignment=b"lost"),
    ]
    sync_group(group, SyncGroupRequest(member_id="follower", generation_id=1), "f", step)
    sync_group(group, SyncGroupRequest(member_id="leader", generation_id=1, assignments=assignments), "l", step)
    effects = step.effects()
    assert {reply.reply_to: reply.response.assignment for reply in effects.replies} == {"f": b"", "l": b"mine"}
    (record,) = effects.records
    assert record.value is not None
    assert [member.member_id for member in record.value.members] == ["leader", "follower"]
