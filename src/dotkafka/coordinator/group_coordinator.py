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
from dotkafka.coordinator.classic.syncing import sync_group
from dotkafka.coordinator.cluster_view import ClusterView, EmptyCluster
from dotkafka.coordinator.committed_offsets import CommittedOffset, CommittedOffsets
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.consumer import classic_members
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.heartbeat import HeartbeatCall
from dotkafka.coordinator.consumer.membership import schedule_loaded
from dotkafka.coordinator.consumer.migration import Groups, delete_group, is_empty, remove_or_downgrade
from dotkafka.coordinator.deadlines import (
    Deadlines,
    GroupDeadline,
    JoinDeadline,
    MemberDeadline,
    RetentionDeadline,
    SessionDeadline,
    SyncDeadline,
)
from dotkafka.coordinator.describing import describe_classic_group, describe_consumer_group, list_groups
from dotkafka.coordinator.effects import CoordinatorRecord, Effects, ReplyTo
from dotkafka.coordinator.group_records import CONSUMER_GROUP_KEYS, offset_tombstone
from dotkafka.coordinator.refusals import GroupRequest, refuse, refuse_members
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)
from dotkafka.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from dotkafka.protocol.messages.consumer_group_records import ConsumerGroupMetadataKey
from dotkafka.protocol.messages.consumer_offsets import GroupMetadataKey, OffsetCommitKey
from dotkafka.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from dotkafka.protocol.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from dotkafka.protocol.messages.join_group import JoinGroupRequest
from dotkafka.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from dotkafka.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from dotkafka.protocol.messages.offset_commit import OffsetCommitRequest
from dotkafka.protocol.messages.offset_delete import OffsetDeleteRequest
from dotkafka.protocol.messages.offset_fetch import OffsetFetchRequest
from dotkafka.protocol.messages.sync_group import SyncGroupRequest


class GroupCoordinator:
    """All groups of one `__consumer_offsets`, and the offsets they have committed.

    Life: `replay` every record, oldest first; then `finish_replay` once, also where there was none; then anything.

    Args:
        config: the settings.
        random_uuid: gives a new unique text each time; part of member ids.
        cluster: gives the cluster as it is at the moment.
    """

    def __init__(
        self,
        config: GroupConfig,
        random_uuid: Callable[[], str],
        cluster: Callable[[], ClusterView] = EmptyCluster,
    ) -> None:
        self.config = config
        self._random_uuid = random_uuid
        self._cluster = cluster
        self._deadlines: Deadlines[GroupDeadline] = Deadlines()
        self._groups: Groups = {}
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
            ConsumerGroupHeartbeatRequest: self._consumer_group_heartbeat,
            ConsumerGroupDescribeRequest: self._describe_consumer_groups,
        }

    # Requests and time

    def handle(self, request: GroupRequest, context: RequestContext, reply_to: ReplyTo, now: Instant) -> Effects:
        """Take one request; its reply comes now, or with a later step of any kind."""
        step = self._step(now)
        try:
            self._handlers[type(request)](request, context, reply_to, step)
        except ApiError as refusal:
            step.reply(reply_to, refuse(request, context.api_version, refusal.error_code, refusal.message))
        return step.effects()

    def handle_timeouts(self, now: Instant) -> Effects:
        """Do what has come due."""
        step = self._step(now)
        while (deadline := self._deadlines.pop_due(now.monotonic_ms)) is not None:
            if isinstance(deadline, RetentionDeadline):
                self._expire_offsets(step)
                continue
            group = self._groups[deadline.group_id]
            if isinstance(group, ConsumerGroup):
                if isinstance(deadline, MemberDeadline):
                    remove_or_downgrade(self._groups, group, [deadline.member_id], step)
            elif isinstance(deadline, SessionDeadline):
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
        if isinstance(key, CONSUMER_GROUP_KEYS):
            self._replay_consumer_group(key.group_id, record)
        elif isinstance(key, GroupMetadataKey):
            if value is None:
                # It may be a consumer group by now.
                if isinstance(self._groups.get(key.group), ClassicGroup):
                    del self._groups[key.group]
            else:
                self._groups[key.group] = ClassicGroup.from_metadata(key.group, value)
        elif isinstance(key, OffsetCommitKey):
            if value is None:
                self._offsets.remove(key.group, key.topic, key.partition)
            else:
                self._offsets.put(key.group, key.topic, key.partition, CommittedOffset.from_value(value))
                if key.group not in self._groups:
                    self._groups[key.group] = ClassicGroup(key.group, value.commit_timestamp)

    def _replay_consumer_group(self, group_id: str, record: CoordinatorRecord) -> None:
        group = self._groups.get(group_id)
        if record.value is None:
            if not isinstance(group, ConsumerGroup):
                return
            group.replay(record)
            if isinstance(record.key, ConsumerGroupMetadataKey):
                del self._groups[group_id]
            return
        if not isinstance(group, ConsumerGroup):
            # Offsets that stand before it have made a classic one.
            group = self._groups[group_id] = ConsumerGroup(group_id)
        group.replay(record)

    def finish_replay(self, now: Instant) -> None:
        """Begin to serve: the sessions of all members that were loaded start now."""
        step = self._step(now)
        step.schedule(RetentionDeadline(), self.config.offsets_retention_check_interval_ms)
        for group in self._groups.values():
            if isinstance(group, ConsumerGroup):
                schedule_loaded(group, step)
                continue
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
        if isinstance(group, ConsumerGroup) and group.members:
            step.reply(reply_to, classic_members.join_group(self._groups, group, request, context, step))
            return
        if not isinstance(group, ClassicGroup):
            old, group = group, ClassicGroup(request.group_id, step.now.wall_ms)
            if request.member_id != "":
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
            if not group.supports_protocols(request.protocol_type, protocols_of(request)):
                raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
            if old is not None:
                delete_group(self._groups, old, step)
            self._groups[request.group_id] = group
            group.record_metadata(step)
        JoinCall(group, request, context, reply_to, step).run()

    def _sync_group(self, request: SyncGroupRequest, context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        if context.api_version >= 5 and (request.protocol_type is None or request.protocol_name is None):
            raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        group = self._group_of_member(request.group_id)
        if isinstance(group, ConsumerGroup):
            step.reply(reply_to, classic_members.sync_group(group, request, step))
        else:
            sync_group(group, request, reply_to, step)

    def _heartbeat(self, request: HeartbeatRequest, _context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        group = self._group_of_member(request.group_id)
        if isinstance(group, ConsumerGroup):
            error_code = classic_members.heartbeat(group, request, step)
        else:
            error_code = heartbeat(group, request, step)
        step.reply(reply_to, HeartbeatResponse(error_code=error_code))

    def _leave_group(self, request: LeaveGroupRequest, context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        _require_group_id(request.group_id)
        group = self._groups.get(request.group_id)
        if group is None:
            step.reply(reply_to, refuse_members(request, context.api_version, ErrorCode.UNKNOWN_MEMBER_ID))
            return
        is_single = context.api_version < 3
        identities = [MemberIdentity(member_id=request.member_id)] if is_single else list(request.members)
        if isinstance(group, ConsumerGroup):
            members = classic_members.leave_group(self._groups, group, identities, step)
        else:
            members = leave_group(group, identities, step)
        if is_single:
            step.reply(reply_to, LeaveGroupResponse(error_code=members[0].error_code))
        else:
            step.reply(reply_to, LeaveGroupResponse(members=members))

    def _consumer_group_heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        step.reply(reply_to, HeartbeatCall(self._groups, request, context, step).run())

    def _group_of_member(self, group_id: str) -> ClassicGroup | ConsumerGroup:
        group = self._groups.get(group_id)
        if group is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
        return group

    # Offsets

    def _commit_offsets(
        self, request: OffsetCommitRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        group = self._groups.get(request.group_id)
        offset_requests.validate_commit(group, request, context, step)
        if isinstance(group, ClassicGroup) and request.member_id in group.members:
            group.keep_alive(group.members[request.member_id], step)
        response = offset_requests.commit_offsets(self._offsets, request, step)
        if group is None and self._offsets.of_group(request.group_id):
            self._groups[request.group_id] = ClassicGroup(request.group_id, step.now.wall_ms)
        step.reply(reply_to, response)

    def _fetch_offsets(
        self, request: OffsetFetchRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        step.reply(reply_to, offset_requests.fetch_offsets(self._groups, self._offsets, request, context))

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
            is_idle = is_empty(group) and not (isinstance(group, ClassicGroup) and group.pending_join_members)
            if is_idle and not self._offsets.of_group(group.group_id):
                delete_group(self._groups, group, step)

    # Groups as a whole

    def _describe_groups(
        self, request: DescribeGroupsRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        described = [describe_classic_group(self._groups, group_id, context.api_version) for group_id in request.groups]
        step.reply(reply_to, DescribeGroupsResponse(groups=described))

    def _describe_consumer_groups(
        self, request: ConsumerGroupDescribeRequest, _context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        described = [describe_consumer_group(self._groups, group_id, step.cluster) for group_id in request.group_ids]
        step.reply(reply_to, ConsumerGroupDescribeResponse(groups=described))

    def _list_groups(self, request: ListGroupsRequest, _context: RequestContext, reply_to: ReplyTo, step: Step) -> None:
        step.reply(reply_to, ListGroupsResponse(groups=list_groups(self._groups, request)))

    def _delete_groups(
        self, request: DeleteGroupsRequest, _context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        # A group named twice is deleted once and answered once.
        results = []
        for group_id in dict.fromkeys(request.groups_names):
            group, error = self._groups.get(group_id), ErrorCode.NONE
            if group is None:
                error = ErrorCode.GROUP_ID_NOT_FOUND
            elif not is_empty(group):
                error = ErrorCode.NON_EMPTY_GROUP
            else:
                for topic, partition in self._offsets.partitions_of(group_id):
                    self._remove_offset(group_id, topic, partition, step)
                delete_group(self._groups, group, step)
            results.append(DeletableGroupResult(group_id=group_id, error_code=error))
        step.reply(reply_to, DeleteGroupsResponse(results=results))

    # Within

    def _step(self, now: Instant) -> Step:
        return Step(now, self.config, self._deadlines, self._random_uuid, self._cluster())

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
            if group.group_id != group_id:
                raise AssertionError(f"group {group_id!r} is kept wrongly")
            expected |= set(group.expected_deadlines())
        for deadline in expected:
            if deadline not in self._deadlines:
                raise AssertionError(f"{deadline} is not scheduled")
        for deadline in self._deadlines:
            if not isinstance(deadline, RetentionDeadline) and not self._has_cause(deadline):
                raise AssertionError(f"{deadline} is of something that is no more")
        for group_id, *_ in self._offsets:
            if group_id not in self._groups:
                raise AssertionError(f"offsets of {group_id!r}, which does not exist")

    def _has_cause(self, deadline: JoinDeadline | SyncDeadline | MemberDeadline) -> bool:
        group = self._groups.get(deadline.group_id)
        if isinstance(group, ConsumerGroup):
            return isinstance(deadline, MemberDeadline) and deadline.member_id in group.members
        return group is not None


def _require_group_id(group_id: str) -> None:
    """Members need a group with a name; offsets may be committed under none, for the sake of old clients."""
    if group_id == "":
        raise ApiError(ErrorCode.INVALID_GROUP_ID)
