"""Members of a consumer group that use the classic protocol: JoinGroup, SyncGroup, Heartbeat and LeaveGroup for them.

To such a member an epoch is a generation, JoinGroup is its full heartbeat and never waits, SyncGroup fetches what it
has. It is told to join again whenever there is something for it to let go of or to get. Source: KIP-848.
"""

from collections.abc import Mapping

import attrs

from dotkafka.coordinator.classic.joining import protocols_of
from dotkafka.coordinator.classic.rebalance import prepare_rebalance
from dotkafka.coordinator.config import MigrationPolicy
from dotkafka.coordinator.consumer.group import ConsumerGroup, ConsumerGroupState
from dotkafka.coordinator.consumer.heartbeat import check_room, replace_static_member
from dotkafka.coordinator.consumer.member import ConsumerMember, MemberState, Partitions
from dotkafka.coordinator.consumer.membership import keep_alive
from dotkafka.coordinator.consumer.migration import (
    Groups,
    classic_metadata,
    downgrade,
    may_downgrade,
    names_of_partitions,
    partitions_of_names,
    remove_or_downgrade,
    subscription_version,
)
from dotkafka.coordinator.consumer.rebalance import reconcile_member, update_member, update_target
from dotkafka.coordinator.deadlines import FetchAssignmentDeadline, RejoinDeadline
from dotkafka.coordinator.group_records import CONSUMER_PROTOCOL_TYPE, decode_subscription, encode_assignment
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError, DecodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_protocol import ConsumerProtocolSubscription
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest
from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from dotkafka.protocol.messages.leave_group import MemberIdentity, MemberResponse
from dotkafka.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

FIRST_VERSION_WITH_REQUIRED_MEMBER_ID = 4


def join_group(
    groups: Groups, group: ConsumerGroup, request: JoinGroupRequest, context: RequestContext, step: Step
) -> JoinGroupResponse:
    """Take a member of the classic protocol in, or let it catch up.

    Raises:
        ApiError: INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
    """
    if step.config.group_consumer_migration_policy is MigrationPolicy.DISABLED:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    protocols = protocols_of(request)
    member_id, instance_id = request.member_id or step.random_uuid(), request.group_instance_id
    check_room(group, member_id, step)
    if not group.supports_classic_protocols(request.protocol_type, protocols):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    subscription = _subscription(protocols)
    requires_id = context.api_version >= FIRST_VERSION_WITH_REQUIRED_MEMBER_ID
    if not request.member_id and instance_id is None and requires_id:
        return JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id)
    if request.member_id and instance_id is not None:
        group.member(member_id, instance_id)

    replaced = None
    if not request.member_id and instance_id in group.static_members:
        replaced = group.members[group.static_members[instance_id]]
    # A static member that comes back by the classic protocol may have been the last one of the other.
    is_last = (
        replaced is not None
        and not replaced.is_classic
        and may_downgrade(group, [replaced.member_id], len(group.members), step)
    )
    if replaced is not None:
        replace_static_member(group, replaced, member_id, step)
    old = group.members.get(member_id)
    wanted = _wanted(old or ConsumerMember(member_id=member_id), request, subscription, protocols, context)
    has_changed = update_member(group, old, wanted, frozenset(), step)
    owned = partitions_of_names(subscription.owned_partitions, step.cluster)
    step.cancel(RejoinDeadline(group.group_id, member_id))
    if is_last:
        member = _join_last(groups, group, member_id, owned, step, has_subscription_changed=has_changed)
    else:
        update_target(group, step)
        member = reconcile_member(group, member_id, owned, step, has_subscription_changed=has_changed)
        keep_alive(group, member, step)
        step.schedule(FetchAssignmentDeadline(group.group_id, member_id), member.rebalance_timeout_ms)
    return JoinGroupResponse(
        member_id=member_id,
        generation_id=member.member_epoch,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocol_name=next(iter(protocols)),
    )


def _join_last(
    groups: Groups,
    group: ConsumerGroup,
    member_id: str,
    owned: Partitions,
    step: Step,
    *,
    has_subscription_changed: bool,
) -> ConsumerMember:
    """Make the group a classic one with its last member that was not; without a rebalance if all have what they shall.

    (Kafka looks only at the epoch of the target, and members that had not followed yet are left with too little.)
    """
    member = group.members[member_id]
    if group.assignment_epoch == group.group_epoch:
        member = reconcile_member(group, member_id, owned, step, has_subscription_changed=has_subscription_changed)
    is_settled = group.state is ConsumerGroupState.STABLE
    classic_group = downgrade(groups, group, (), step)
    if not is_settled:
        prepare_rebalance(classic_group, step)
    return member


def sync_group(group: ConsumerGroup, request: SyncGroupRequest, step: Step) -> SyncGroupResponse:
    """Tell a member of the classic protocol what it has.

    Raises:
        ApiError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
            REBALANCE_IN_PROGRESS.
    """
    member = _classic_member(group, request.member_id, request.group_instance_id, request.generation_id)
    metadata = member.classic
    name = metadata.supported_protocols[0].name if metadata is not None else ""
    if request.protocol_type not in {None, CONSUMER_PROTOCOL_TYPE} or request.protocol_name not in {None, name}:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.assignment_epoch > member.member_epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
        _expect_rejoin(group, member, step)
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)
    step.cancel(FetchAssignmentDeadline(group.group_id, member.member_id))
    keep_alive(group, member, step)
    return SyncGroupResponse(
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        assignment=encode_assignment(
            names_of_partitions(frozenset(member.assigned), step.cluster), subscription_version(member)
        ),
    )


def heartbeat(group: ConsumerGroup, request: HeartbeatRequest, step: Step) -> ErrorCode:
    """Start the session of a member of the classic protocol afresh, and tell it whether to join again.

    Raises:
        ApiError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
    """
    member = _classic_member(group, request.member_id, request.group_instance_id, request.generation_id)
    keep_alive(group, member, step)
    has_to_revoke = member.state is MemberState.UNREVOKED_PARTITIONS
    can_get_more = member.state is MemberState.UNRELEASED_PARTITIONS and not group.waits_for_release(member)
    if member.member_epoch < group.assignment_epoch or has_to_revoke or can_get_more:
        _expect_rejoin(group, member, step)
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def leave_group(
    groups: Groups, group: ConsumerGroup, identities: list[MemberIdentity], step: Step
) -> list[MemberResponse]:
    """Remove members, of either protocol, and move the group's epoch once if any is gone."""
    leaving: dict[str, None] = {}
    responses = []
    for identity in identities:
        error = ErrorCode.NONE
        try:
            member_id = identity.member_id
            if member_id == "" and identity.group_instance_id is not None:
                # An administrator removes a static member by its instance id alone: KIP-345.
                member_id = group.static_members.get(identity.group_instance_id, "")
            leaving[group.member(member_id, identity.group_instance_id).member_id] = None
        except ApiError as refusal:
            error = ErrorCode(refusal.error_code)
        responses.append(
            MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id, error_code=error)
        )
    if leaving:
        remove_or_downgrade(groups, group, list(leaving), step)
    return responses


def _subscription(protocols: Mapping[str, bytes]) -> ConsumerProtocolSubscription:
    try:
        return decode_subscription(next(iter(protocols.values())))
    except DecodeError as error:
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL) from error


def _wanted(
    member: ConsumerMember,
    request: JoinGroupRequest,
    subscription: ConsumerProtocolSubscription,
    protocols: Mapping[str, bytes],
    context: RequestContext,
) -> ConsumerMember:
    """The member with what the request says."""
    # Version 0 has no rebalance timeout.
    timeout_ms = request.session_timeout_ms if context.api_version == 0 else max(request.rebalance_timeout_ms, 0)
    return attrs.evolve(
        member,
        instance_id=request.group_instance_id or member.instance_id,
        rack_id=subscription.rack_id or member.rack_id,
        rebalance_timeout_ms=timeout_ms,
        client_id=context.client_id,
        client_host=context.client_host,
        subscribed_topics=frozenset(subscription.topics),
        subscribed_regex="",
        classic=classic_metadata(request.session_timeout_ms, protocols),
    )


def _classic_member(
    group: ConsumerGroup, member_id: str, instance_id: str | None, generation_id: int
) -> ConsumerMember:
    member = group.member(member_id, instance_id)
    if not member.is_classic:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
    if generation_id != member.member_epoch:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    return member


def _expect_rejoin(group: ConsumerGroup, member: ConsumerMember, step: Step) -> None:
    """Give a member that was told to join again its rebalance timeout for it, counted from the first time."""
    deadline = RejoinDeadline(group.group_id, member.member_id)
    if not step.is_scheduled(deadline):
        step.schedule(deadline, member.rebalance_timeout_ms)
