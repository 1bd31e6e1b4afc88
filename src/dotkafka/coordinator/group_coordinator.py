"""The group coordinator: which groups there are, and who answers what.

A pure state machine: requests, time and records go in, `Effects` come out. A step changes the state in memory at once.
The caller makes its records durable, and only then sends its replies and those of later steps, so that nobody hears of
a state that a crash could undo.
"""

from collections.abc import Callable, Collection
from typing import Any

from dotkafka.clock import Instant
from dotkafka.coordinator import offset_requests
from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.joining import JoinCall, protocols_of
from dotkafka.coordinator.classic.membership import heartbeat, leave_group, on_session_deadline
from dotkafka.coordinator.classic.rebalance import on_join_deadline, on_sync_deadline, prepare_rebalance
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.classic.syncing import sync_group
from dotkafka.coordinator.committed_offsets import CommittedOffset, CommittedOffsets
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.deadlines import (
    Deadlines,
    GroupDeadline,
    JoinDeadline,
    RetentionDeadline,
    SessionDeadline,
    SyncDeadline,
)
from dotkafka.coordinator.effects import CoordinatorRecord, Effects, ReplyTo
from dotkafka.coordinator.group_records import group_tombstone, offset_tombstone
from dotkafka.coordinator.refusals import GroupRequest, refuse, refuse_members
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError, shortened
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_offsets import GroupMetadataKey, OffsetCommitKey
from dotkafka.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from dotkafka.protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from dotkafka.protocol.messages.join_group import JoinGroupRequest
from dotkafka.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from dotkafka.protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from dotkafka.protocol.messages.offset_commit import OffsetCommitRequest
from dotkafka.protocol.messages.offset_delete import OffsetDeleteRequest
from dotkafka.protocol.messages.offset_fetch import OffsetFetchRequest
from dotkafka.protocol.messages.sync_group import SyncGroupRequest

GROUP_TYPE = "Classic"
"""What ListGroups calls groups of this protocol. Source: KIP-848."""


class GroupCoordinator:
    """All groups of one `__consumer_offsets`, and the offsets they have committed.

    Life: `replay` every record, oldest first; then `finish_replay` once, also where there was none; then anything.

    Args:
        config: the settings.
        random_uuid: gives a new unique text each time; part of member ids.
    """

    def __init__(self, config: GroupConfig, random_uuid: Callable[[], str]) -> None:
        self.config = config
        self._random_uuid = random_uuid
        self._deadlines: Deadlines[GroupDeadline] = Deadlines()
        self._groups: dict[str, ClassicGroup] = {}
        self._offsets = CommittedOffsets()
        self._handlers: dict[type, Callable[[Any, RequestContext, ReplyTo, Step], None]] = {
            JoinGroupRequest: self._join_group,
            SyncGroupRequest: self._sync_group,
            HeartbeatRequest: self._heartbeat,
            LeaveGroupRequest: self._leave_group,
            OffsetCommitRequest: self._commit_offsets,
            OffsetFetchRequest: self._fetch_offsets,
            OffsetDeleteRequest: self._delete_offsets,
            DescribeGroupsRequest: self._describe_groups,
            ListGroupsRequest: self._list_groups,
            DeleteGroupsRequest: self._delete_groups,
        }

    # Requests and time

    def handle(self, request: GroupRequest, context: RequestContext, reply_to: ReplyTo, now: Instant) -> Effects:
        """Take one request; its reply comes now, or with a later step of any kind."""
        step = self._step(now)
        try:
            self._handlers[type(request)](request, context, reply_to, step)
        except ApiError as refusal:
            step.reply(reply_to, refuse(request, context.api_version, refusal.error_code))
        return step.effects()

    def handle_timeouts(self, now: Instant) -> Effects:
        """Do what has come due."""
        step = self._step(now)
        while (deadline := self._deadlines.pop_due(now.monotonic_ms)) is not None:
            if isinstance(deadline, RetentionDeadline):
                self._expire_offsets(step)
                continue
            group = self._groups[deadline.group_id]
            if isinstance(deadline, SessionDeadline):
                on_session_deadline(group, deadline.member_id, step)
            elif isinstance(deadline, JoinDeadline):
                on_join_deadline(group, step)
            else:
                on_sync_deadline(group, step)
        return step.effects()

    def next_deadline_ms(self) -> int | None:
        """When `handle_timeouts` has something to do next, on the monotonic clock; None for never."""
        return self._deadlines.next_ms()

    def on_topics_deleted(self, names: Collection[str], now: Instant) -> Effects:
        """Forget the offsets committed for topics that are no more."""
        step = self._step(now)
        for group_id, topic, partition in self._offsets.of_topics(frozenset(names)):
            self._remove_offset(group_id, topic, partition, step)
        return step.effects()

    # Restart

    def replay(self, record: CoordinatorRecord) -> None:
        """Take in a record that an earlier life made durable. Kinds of another coordinator's are passed over."""
        key, value = record.key, record.value
        if isinstance(key, GroupMetadataKey):
            if value is None:
                self._groups.pop(key.group, None)
            else:
                self._groups[key.group] = ClassicGroup.from_metadata(key.group, value)
        elif isinstance(key, OffsetCommitKey):
            if value is None:
                self._offsets.remove(key.group, key.topic, key.partition)
            else:
                self._offsets.put(key.group, key.topic, key.partition, CommittedOffset.from_value(value))
                if key.group not in self._groups:
                    self._groups[key.group] = ClassicGroup(key.group, value.commit_timestamp)

    def finish_replay(self, now: Instant) -> None:
        """Begin to serve: the sessions of all members that were loaded start now."""
        step = self._step(now)
        step.schedule(RetentionDeadline(), self.config.offsets_retention_check_interval_ms)
        for group in self._groups.values():
            for member in group.members.values():
                group.keep_alive(member, step)
            if len(group.members) > self.config.group_max_size:
                # The limit was lowered: members commit, join again, and those that come last find no room.
                prepare_rebalance(group, step)

    # Members

    def _join_group(self, request: JoinGroupRequest, context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        shortest_ms, longest_ms = self.config.group_min_session_timeout_ms, self.config.group_max_session_timeout_ms
        if not shortest_ms <= request.session_timeout_ms <= longest_ms:
            raise ApiError(ErrorCode.INVALID_SESSION_TIMEOUT)
        group = self._groups.get(request.group_id)
        if group is None:
            if request.member_id != "":
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
            group = ClassicGroup(request.group_id, step.now.wall_ms)
            if not group.supports_protocols(request.protocol_type, protocols_of(request)):
                raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
            self._groups[request.group_id] = group
            group.record_metadata(step)
        JoinCall(group, request, context, reply_to, step).run()

    def _sync_group(self, request: SyncGroupRequest, context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        if context.api_version >= 5 and (request.protocol_type is None or request.protocol_name is None):
            raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        sync_group(self._group_of_member(request.group_id), request, reply_to, step)

    def _heartbeat(self, request: HeartbeatRequest, _context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        error_code = heartbeat(self._group_of_member(request.group_id), request, step)
        step.reply(reply_to, HeartbeatResponse(error_code=error_code))

    def _leave_group(self, request: LeaveGroupRequest, context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        group = self._groups.get(request.group_id)
        if group is None:
            step.reply(reply_to, refuse_members(request, context.api_version, ErrorCode.UNKNOWN_MEMBER_ID))
        elif context.api_version < 3:
            (member,) = leave_group(group, [MemberIdentity(member_id=request.member_id)], step)
            step.reply(reply_to, LeaveGroupResponse(error_code=member.error_code))
        else:
            step.reply(reply_to, LeaveGroupResponse(members=leave_group(group, list(request.members), step)))

    def _group_of_member(self, group_id: str) -> ClassicGroup:
        group = self._groups.get(group_id)
        if group is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        return group

    # Offsets

    def _commit_offsets(
        self, request: OffsetCommitRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        group = self._groups.get(request.group_id)
        offset_requests.validate_commit(group, request, context)
        if group is not None and request.member_id in group.members:
            group.keep_alive(group.members[request.member_id], step)
        response = offset_requests.commit_offsets(self._offsets, request, step)
        if group is None and self._offsets.of_group(request.group_id):
            self._groups[request.group_id] = ClassicGroup(request.group_id, step.now.wall_ms)
        step.reply(reply_to, response)

    def _fetch_offsets(
        self, request: OffsetFetchRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        step.reply(reply_to, offset_requests.fetch_offsets(self._offsets, request, context))

    def _delete_offsets(
        self, request: OffsetDeleteRequest, _context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        _require_group_id(request.group_id)
        group = self._groups.get(request.group_id)
        step.reply(reply_to, offset_requests.delete_offsets(group, self._offsets, request, step))

    def _remove_offset(self, group_id: str, topic: str, partition: int, step: Step) -> None:
        self._offsets.remove(group_id, topic, partition)
        step.record(offset_tombstone(group_id, topic, partition))

    def _expire_offsets(self, step: Step) -> None:
        """Forget offsets that have expired, and empty groups that have none left."""
        step.schedule(RetentionDeadline(), self.config.offsets_retention_check_interval_ms)
        retention_ms = self.config.offsets_retention_ms
        for group in list(self._groups.values()):
            for topic, partition in self._offsets.expired(group, retention_ms, step.now.wall_ms):
                self._remove_offset(group.group_id, topic, partition, step)
            is_idle = group.state is GroupState.EMPTY and not group.pending_join_members
            if is_idle and not self._offsets.of_group(group.group_id):
                self._delete_group(group, step)

    # Groups as a whole

    def _describe_groups(
        self, request: DescribeGroupsRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        described = [self._describe(group_id, context.api_version) for group_id in request.groups]
        step.reply(reply_to, DescribeGroupsResponse(groups=described))

    def _describe(self, group_id: str, api_version: int) -> DescribedGroup:
        group = self._groups.get(group_id)
        if group is None:
            described = DescribedGroup(group_id=group_id, group_state=GroupState.DEAD.value)
            if api_version >= 6:
                described.error_code = ErrorCode.GROUP_ID_NOT_FOUND
                described.error_message = shortened(f"Group {group_id} not found.")
            return described
        is_stable = group.state is GroupState.STABLE
        members = [
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=group.metadata_of(member) if is_stable else b"",
                member_assignment=member.assignment,
            )
            for member in group.members.values()
        ]
        return DescribedGroup(
            group_id=group_id,
            group_state=group.state.value,
            protocol_type=group.protocol_type or "",
            protocol_data=(group.protocol_name or "") if is_stable else "",
            members=members,
        )

    def _list_groups(self, request: ListGroupsRequest, _context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        states = {state.strip().lower() for state in request.states_filter}
        types = {group_type.strip().lower() for group_type in request.types_filter}
        groups = [
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type or "",
                group_state=group.state.value,
                group_type=GROUP_TYPE,
            )
            for group in self._groups.values()
            if (not states or group.state.value.lower() in states) and (not types or GROUP_TYPE.lower() in types)
        ]
        step.reply(reply_to, ListGroupsResponse(groups=groups))

    def _delete_groups(
        self, request: DeleteGroupsRequest, _context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        # A group named twice is deleted once and answered once.
        results = []
        for group_id in dict.fromkeys(request.groups_names):
            group, error = self._groups.get(group_id), ErrorCode.NONE
            if group is None:
                error = ErrorCode.GROUP_ID_NOT_FOUND
            elif group.state is not GroupState.EMPTY:
                error = ErrorCode.NON_EMPTY_GROUP
            else:
                for topic, partition in self._offsets.partitions_of(group_id):
                    self._remove_offset(group_id, topic, partition, step)
                self._delete_group(group, step)
            results.append(DeletableGroupResult(group_id=group_id, error_code=error))
        step.reply(reply_to, DeleteGroupsResponse(results=results))

    def _delete_group(self, group: ClassicGroup, step: Step) -> None:
        for member_id in group.pending_join_members:
            step.cancel(SessionDeadline(group.group_id, member_id))
        group.transition_to(GroupState.DEAD, step.now.wall_ms)
        del self._groups[group.group_id]
        step.record(group_tombstone(group.group_id))

    # Within

    def _step(self, now: Instant) -> Step:
        return Step(now, self.config, self._deadlines, self._random_uuid)

    def committed_counts(self) -> dict[str, int]:
        """Return how many offsets each group has committed, groups with none included."""
        counts = dict.fromkeys(self._groups, 0)
        for group_id, *_ in self._offsets:
            counts[group_id] = counts.get(group_id, 0) + 1
        return counts

    def check_invariants(self) -> None:
        """Raise AssertionError if the books do not agree, or something that must happen is not scheduled."""
        self._deadlines.check_invariants()
        self._offsets.check_invariants()
        expected: set[GroupDeadline] = set()
        for group_id, group in self._groups.items():
            group.check_invariants()
            if group.group_id != group_id or group.state is GroupState.DEAD:
                raise AssertionError(f"group {group_id!r} is kept wrongly")
            if group.state is GroupState.PREPARING_REBALANCE:
                expected.add(JoinDeadline(group_id))
            if group.pending_sync_members:
                expected.add(SyncDeadline(group_id))
            expected |= {SessionDeadline(group_id, member_id) for member_id in group.pending_join_members}
            expected |= {
                SessionDeadline(group_id, member.member_id)
                for member in group.members.values()
                if not member.is_alive_by_waiting
            }
        for deadline in expected:
            if deadline not in self._deadlines:
                raise AssertionError(f"{deadline} is not scheduled")
        for group_id, *_ in self._offsets:
            if group_id not in self._groups:
                raise AssertionError(f"offsets of {group_id!r}, which does not exist")


def _require_group_id(group_id: str) -> None:
    """Members need a group with a name; offsets may be committed under none, for the sake of old clients."""
    if group_id == "":
        raise ApiError(ErrorCode.INVALID_GROUP_ID)
