"""What groups own and commit, as it passes.

A member goes by its instance id, if it is static, else by its member id.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from dotkafka.coordinator.group_records import decode_assignment, decode_subscription
from dotkafka.errors import DecodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.testing.history import Assigned, Commit, Committed, Heartbeat, Partition, Position, Revoked
from dotkafka.testing.wiretap.scene import Call, Scene

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dotkafka.protocol.messages.consumer_group_heartbeat import (
        ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse,
        TopicPartitions,
    )
    from dotkafka.protocol.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
    from dotkafka.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
    from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
    from dotkafka.protocol.messages.leave_group import LeaveGroupRequest
    from dotkafka.protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
    from dotkafka.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
    from dotkafka.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
    from dotkafka.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

CONSUMER: Final = "consumer"
"""The protocol type of classic groups whose assignments are partitions."""
JOINING_EPOCH: Final = 0


class GroupCalls:
    """Translates the requests that are about groups, with their responses, into operations of the history."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._owned: dict[str, dict[str, set[Partition]]] = defaultdict(dict)
        """By group and member."""
        self._types: dict[str, str] = {}
        self._generations: dict[str, int] = {}
        """The highest of each group so far."""
        self._instances: dict[tuple[str, str], str] = {}
        """Of static members, by group and member id: those of the consumer protocol do not name theirs every time."""
        self._committed: dict[str, set[Partition]] = defaultdict(set)
        """What each group has ever tried to commit."""

    def _known_as(self, group: str, member_id: str, instance_id: str | None) -> str:
        """What a member goes by, with what one of its requests says of it."""
        if instance_id and member_id:
            self._instances[group, member_id] = instance_id
        return instance_id or self._instances.get((group, member_id), member_id)

    # -- the classic protocol ------------------------------------------------------------------------------------------

    def join_group(self, _client: str, request: JoinGroupRequest) -> Call:
        """JoinGroup: what a member does not claim to own any more is `Revoked`, which for eager ones is all of it."""
        group = request.group_id
        self._types[group] = request.protocol_type
        member = self._known_as(group, request.member_id, request.group_instance_id)
        claimed: set[Partition] = set()
        for protocol in request.protocols if request.protocol_type == CONSUMER else ():
            claimed.update(_claimed(protocol.metadata))
        self._keep(group, member, claimed)
        before = self._generations.get(group, -1)

        def answered(response: JoinGroupResponse) -> None:
            if response.error_code == ErrorCode.NONE:
                self._begin_generation(group, response.generation_id, before)

        return Call(answered)

    def sync_group(self, _client: str, request: SyncGroupRequest) -> Call:
        """SyncGroup: a member is `Assigned` what it owns."""
        began = self._scene.history.now()
        group = request.group_id
        member = self._known_as(group, request.member_id, request.group_instance_id)

        def answered(response: SyncGroupResponse) -> None:
            if response.error_code != ErrorCode.NONE or self._types.get(group) != CONSUMER:
                return
            partitions: list[Partition] = []
            if response.assignment:
                try:
                    assignment = decode_assignment(response.assignment)
                except DecodeError:
                    return  # what the leader has made of it is not the broker's
                partitions = [
                    Partition(topic.topic, index)
                    for topic in assignment.assigned_partitions
                    for index in topic.partitions
                ]
            self._assign(group, member, partitions, request.generation_id, began)

        return Call(answered)

    def heartbeat(self, _client: str, request: HeartbeatRequest) -> Call:
        """Heartbeat: the same."""
        member = self._known_as(request.group_id, request.member_id, request.group_instance_id)
        heartbeat = self._scene.history.begin(Heartbeat(member, request.group_id, generation=request.generation_id))

        def answered(response: HeartbeatResponse) -> None:
            self._scene.end(heartbeat, response.error_code)

        return Call(answered, [heartbeat])

    def leave_group(self, _client: str, request: LeaveGroupRequest) -> Call:
        """LeaveGroup: all that was owned is `Revoked`."""
        group = request.group_id
        self._keep(group, self._known_as(group, request.member_id, None), ())
        for member in request.members:
            self._keep(group, self._known_as(group, member.member_id, member.group_instance_id), ())
        return Call()

    # -- the consumer protocol -----------------------------------------------------------------------------------------

    def consumer_group_heartbeat(self, _client: str, request: ConsumerGroupHeartbeatRequest) -> Call:
        """ConsumerGroupHeartbeat (KIP-848): a `Heartbeat`, what is `Revoked` by then, and what is `Assigned` by it."""
        group = request.group_id
        member = self._known_as(group, request.member_id, request.instance_id)
        if request.member_epoch <= JOINING_EPOCH:
            self._keep(group, member, ())
        elif request.topic_partitions is not None:
            self._keep(group, member, self._partitions(request.topic_partitions))
        began = self._scene.history.now()
        before = self._generations.get(group, -1) if request.member_epoch == JOINING_EPOCH else -1
        heartbeat = self._scene.history.begin(Heartbeat(member, group, generation=request.member_epoch))

        def answered(response: ConsumerGroupHeartbeatResponse) -> None:
            self._scene.end(heartbeat, response.error_code)
            if response.error_code != ErrorCode.NONE or response.member_epoch < JOINING_EPOCH:
                return
            self._begin_generation(group, response.member_epoch, before)
            owner = self._known_as(group, request.member_id or response.member_id or "", request.instance_id)
            if response.assignment is not None:
                partitions = self._partitions(response.assignment.topic_partitions)
                self._assign(group, owner, partitions, response.member_epoch, began)

        return Call(answered, [heartbeat])

    def _partitions(self, topics: Iterable[TopicPartitions]) -> list[Partition]:
        return [
            Partition(name, index)
            for topic in topics
            if (name := self._scene.name_of(None, topic.topic_id))
            for index in topic.partitions
        ]

    # -- what members own ----------------------------------------------------------------------------------------------

    def _assign(self, group: str, member: str, partitions: Collection[Partition], generation: int, began: int) -> None:
        self._owned[group][member] = set(partitions)
        self._scene.history.add(Assigned(member, group, partitions, generation=generation), began=began)

    def _keep(self, group: str, member: str, kept: Iterable[Partition]) -> None:
        """Note that a member owns no more than this from now on."""
        owned = self._owned[group].get(member, set())
        if revoked := owned.difference(kept):
            owned -= revoked
            self._scene.history.add(Revoked(member, group, sorted(revoked)))

    def _begin_generation(self, group: str, generation: int, before: int) -> None:
        """Note a generation. One below the highest that was known before it was asked for is of a later life."""
        if generation < before:
            self._end_life(group)
        self._generations[group] = generation if generation < before else max(generation, before)

    def _end_life(self, group: str) -> None:
        for member in list(self._owned[group]):
            self._keep(group, member, ())

    # -- offsets -------------------------------------------------------------------------------------------------------

    def offset_commit(self, client: str, request: OffsetCommitRequest) -> Call:
        """OffsetCommit: a `Commit` for each partition."""
        group, generation = request.group_id, request.generation_id_or_member_epoch
        member = self._known_as(group, request.member_id, request.group_instance_id) or client
        commits: dict[Partition, Commit] = {}
        for topic in request.topics:
            name = self._scene.name_of(topic.name, topic.topic_id)
            for partition in topic.partitions if name else ():
                position = Position(name, partition.partition_index, partition.committed_offset)
                commits[Partition(*position[:2])] = self._scene.history.begin(
                    Commit(member, group, [position], generation=generation if generation >= 0 else None)
                )
        self._committed[group].update(commits)

        def answered(response: OffsetCommitResponse) -> None:
            for topic in response.topics:
                name = self._scene.name_of(topic.name, topic.topic_id)
                for partition in topic.partitions:
                    self._end_commit(commits, name, partition)

        return Call(answered, commits.values())

    def offset_delete(self, client: str, request: OffsetDeleteRequest) -> Call:
        """OffsetDelete: a `Commit` of nothing for each partition."""
        commits = {
            Partition(topic.name, partition.partition_index): self._scene.history.begin(
                Commit(client, request.group_id, [Position(topic.name, partition.partition_index, None)])
            )
            for topic in request.topics
            for partition in topic.partitions
        }

        def answered(response: OffsetDeleteResponse) -> None:
            for topic in response.topics:
                for partition in topic.partitions:
                    self._end_commit(commits, topic.name, partition)
            for commit in commits.values() if response.error_code != ErrorCode.NONE else ():
                self._scene.end(commit, response.error_code)

        return Call(answered, commits.values())

    def delete_groups(self, client: str, request: DeleteGroupsRequest) -> Call:
        """DeleteGroups: a `Commit` of nothing for each partition that the group has ever committed."""
        commits = {
            group: self._scene.history.begin(
                Commit(client, group, [Position(*partition, None) for partition in sorted(self._committed[group])])
            )
            for group in request.groups_names
        }

        def answered(response: DeleteGroupsResponse) -> None:
            for result in response.results:
                if result.group_id in commits:
                    self._scene.end(commits[result.group_id], result.error_code)
                if result.error_code == ErrorCode.NONE:
                    self._end_life(result.group_id)

        return Call(answered, commits.values())

    def _end_commit(self, commits: dict[Partition, Commit], name: str, partition: Any) -> None:
        commit = commits.get(Partition(name, partition.partition_index))
        if commit is not None:
            self._scene.end(commit, partition.error_code)

    def offset_fetch(self, client: str, request: OffsetFetchRequest) -> Call:
        """OffsetFetch: what is found `Committed`, for each partition."""
        began = self._scene.history.now()

        def answered(response: OffsetFetchResponse) -> None:
            found: list[tuple[str, str, Any]] = [
                (request.group_id, topic.name, partition)
                for topic in response.topics
                for partition in topic.partitions
                if response.error_code == ErrorCode.NONE
            ]
            found += [
                (group.group_id, self._scene.name_of(topic.name, topic.topic_id), partition)
                for group in response.groups
                if group.error_code == ErrorCode.NONE
                for topic in group.topics
                for partition in topic.partitions
            ]
            for group_id, name, partition in found:
                if name and partition.error_code == ErrorCode.NONE:
                    position = Position(name, partition.partition_index, partition.committed_offset)
                    self._scene.history.add(Committed(client, group_id, [position]), began=began)

        return Call(answered)


def _claimed(metadata: bytes) -> list[Partition]:
    """Return what a member says that it owns as it joins; only cooperative ones do."""
    try:
        subscription = decode_subscription(metadata)
    except DecodeError:
        return []
    return [Partition(topic.topic, index) for topic in subscription.owned_partitions for index in topic.partitions]
