"""JoinGroup: becoming a member, or taking part in a rebalance as one."""

from collections.abc import Mapping

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.membership import remove_from_group
from dotkafka.coordinator.classic.rebalance import (
    complete_join_if_all_joined,
    prepare_rebalance,
    prepare_rebalance_or_complete_join,
)
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.deadlines import SessionDeadline
from dotkafka.coordinator.effects import ReplyTo
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
"""How long the first JoinGroup of a member may wait: it cannot send heartbeats yet, and may have gone away."""

MEMBER_ID_PREFIX_CHARACTERS = 255
"""How much of a client id or group instance id goes into a member id, which must fit Kafka's 32767 bytes."""


class JoinCall:
    """One JoinGroup request at its group. `run` answers it, or leaves it waiting on the member."""

    def __init__(
        self, group: ClassicGroup, request: JoinGroupRequest, context: RequestContext, reply_to: ReplyTo, step: Step
    ) -> None:
        self.group = group
        self.request = request
        self.context = context
        self.reply_to = reply_to
        self.step = step
        self.protocols = protocols_of(request)
        # Version 0 has no rebalance timeout.
        self.rebalance_timeout_ms = (
            request.session_timeout_ms if context.api_version == 0 else max(request.rebalance_timeout_ms, 0)
        )

    def run(self) -> None:
        """Join.

        Raises:
            ApiError: INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
        """
        group, request = self.group, self.request
        if not self._has_room():
            self._turn_away()
            return
        if not group.supports_protocols(request.protocol_type, self.protocols):
            raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if request.member_id == "":
            self._join_new()
        else:
            self._join_existing()

    def _has_room(self) -> bool:
        """Whether the group takes this member in; while preparing, those that join first have the room."""
        group, limit = self.group, self.step.config.group_max_size
        member = group.members.get(self.request.member_id)
        if group.state is GroupState.EMPTY:
            return True
        if group.state is GroupState.PREPARING_REBALANCE:
            return (member is not None and member.awaiting_join is not None) or group.joined_count < limit
        return member is not None or len(group.members) < limit

    def _turn_away(self) -> None:
        """Answer that the group is full. The member loses its id: it is none any more."""
        full = ErrorCode.GROUP_MAX_SIZE_REACHED
        remove_from_group(self.group, self.request.member_id, full, self.step)
        complete_join_if_all_joined(self.group, self.step)
        self.step.reply(self.reply_to, JoinGroupResponse(error_code=full, member_id=""))

    def _join_new(self) -> None:
        group, instance_id = self.group, self.request.group_instance_id
        prefix = self.context.client_id if instance_id is None else instance_id
        member_id = f"{prefix[:MEMBER_ID_PREFIX_CHARACTERS]}-{self.step.random_uuid()}"
        if instance_id is not None:
            old_member_id = group.static_members.get(instance_id)
            if old_member_id is None:
                self._add(member_id)
            else:
                self._replace_static(old_member_id, member_id)
        elif self.context.api_version >= 4:
            # A client that never comes back leaves only this id behind, not a member to wait for: KIP-394.
            group.pending_join_members.add(member_id)
            self.step.schedule(SessionDeadline(group.group_id, member_id), self.request.session_timeout_ms)
            response = JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id)
            self.step.reply(self.reply_to, response)
        else:
            self._add(member_id)

    def _join_existing(self) -> None:
        group, request = self.group, self.request
        if request.member_id in group.pending_join_members and request.group_instance_id is None:
            self._add(request.member_id)
            return
        group.validate_member(request.member_id, request.group_instance_id)
        member = group.members[request.member_id]
        is_unchanged = member.has_same_protocols(self.protocols)
        # The leader of a stable group joins again to have assignments made afresh, because topics changed say.
        # Anyone else without news has missed the response, and gets it again.
        may_repeat = group.state is GroupState.COMPLETING_REBALANCE or (
            group.state is GroupState.STABLE and not group.is_leader(request.member_id)
        )
        if may_repeat and is_unchanged:
            self.step.reply(self.reply_to, group.join_response(request.member_id))
            return
        self._update(member)
        prepare_rebalance_or_complete_join(group, self.step)

    def _add(self, member_id: str) -> None:
        group, request = self.group, self.request
        member = ClassicMember(
            member_id,
            group_instance_id=request.group_instance_id,
            client_id=self.context.client_id,
            client_host=self.context.client_host,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=self.protocols,
        )
        member.is_new = True
        if group.state is GroupState.PREPARING_REBALANCE and group.previous_state is GroupState.EMPTY:
            group.new_member_added = True
        group.add(member)
        group.await_join(member, self.reply_to, self.step)
        self.step.schedule(SessionDeadline(group.group_id, member_id), NEW_MEMBER_JOIN_TIMEOUT_MS)
        prepare_rebalance_or_complete_join(group, self.step)

    def _update(self, member: ClassicMember) -> None:
        self._take_settings(member)
        # Waiting is only for a group that prepares; the caller brings it there in this same step.
        self.group.await_join(member, self.reply_to, self.step)

    def _take_settings(self, member: ClassicMember) -> None:
        self.group.update_protocols(member, self.protocols)
        member.rebalance_timeout_ms = self.rebalance_timeout_ms
        member.session_timeout_ms = self.request.session_timeout_ms

    def _replace_static(self, old_member_id: str, new_member_id: str) -> None:
        """Let a restarted static member take its old place, without a rebalance where nobody would notice.

        Source: KIP-345; what the leader is told: KIP-814.
        """
        group, step = self.group, self.step
        old_leader_id = group.leader_id
        member = group.replace_static_member(old_member_id, new_member_id, step)
        self._take_settings(member)
        group.keep_alive(member, step)
        if group.state is GroupState.STABLE and group.select_protocol() == group.protocol_name:
            group.update_subscribed_topics()
            group.record_metadata(step)
            response = group.join_response(new_member_id)
            if self.context.api_version >= 9:
                response.skip_assignment = group.is_leader(new_member_id)
            else:
                # Told that its old id leads, the member does not make an assignment that nobody asked for.
                response.leader = old_leader_id or ""
                response.members = ()
            step.reply(self.reply_to, response)
            return
        group.await_join(member, self.reply_to, step)
        if group.state is GroupState.PREPARING_REBALANCE:
            complete_join_if_all_joined(group, step)
        else:
            # The leader may be assigning to the old id just now, so it must be asked again.
            prepare_rebalance(group, step)


def protocols_of(request: JoinGroupRequest) -> Mapping[str, bytes]:
    """The protocols of a request in the order of preference; of two with one name the first counts."""
    protocols: dict[str, bytes] = {}
    for protocol in request.protocols:
        protocols.setdefault(protocol.name, bytes(protocol.metadata))
    return protocols
