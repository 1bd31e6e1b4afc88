"""ConsumerGroupHeartbeat: join, stay, follow the target assignment, leave; all there is to the protocol for a member.

Whatever can be refused is refused before anything changes.
"""

import attrs

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.consumer.assignors import ASSIGNORS
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import (
    JOIN_EPOCH,
    LEAVE_EPOCH,
    STATIC_LEAVE_EPOCH,
    ConsumerMember,
    Partitions,
)
from dotkafka.coordinator.consumer.membership import cancel_deadlines, keep_alive, leave_for_a_while
from dotkafka.coordinator.consumer.migration import (
    Groups,
    delete_group,
    is_empty,
    remove_or_downgrade,
    upgrade,
    upgraded,
)
from dotkafka.coordinator.consumer.rebalance import reconcile_member, resolve_regex, update_member, update_target
from dotkafka.coordinator.consumer.records import (
    by_topic,
    current_record,
    flattened,
    gone_member_records,
    member_record,
    target_record,
)
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

FIRST_VERSION_WITH_CHOSEN_MEMBER_IDS = 1
"""Since KIP-1082 members choose their own ids, so that a retried join is the same member's."""


class HeartbeatCall:
    """One ConsumerGroupHeartbeat request."""

    def __init__(
        self, groups: Groups, request: ConsumerGroupHeartbeatRequest, context: RequestContext, step: Step
    ) -> None:
        self._groups = groups
        self._request = request
        self._context = context
        self._step = step

    def run(self) -> ConsumerGroupHeartbeatResponse:
        """Serve it.

        Raises:
            ApiError: INVALID_REQUEST, UNSUPPORTED_ASSIGNOR, INVALID_REGULAR_EXPRESSION, GROUP_ID_NOT_FOUND,
                GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, UNRELEASED_INSTANCE_ID,
                FENCED_INSTANCE_ID.
        """
        self._check_request()
        epoch = self._request.member_epoch
        if epoch in {LEAVE_EPOCH, STATIC_LEAVE_EPOCH}:
            return self._leave()
        return self._join() if epoch == JOIN_EPOCH else self._stay()

    def _check_request(self) -> None:
        request = self._request
        epoch = request.member_epoch
        needs_member_id = (
            self._context.api_version >= FIRST_VERSION_WITH_CHOSEN_MEMBER_IDS or epoch > 0 or epoch == LEAVE_EPOCH
        )
        problem = None
        if needs_member_id and not request.member_id.strip():
            problem = "MemberId can't be empty."
        elif not request.group_id.strip():
            problem = "GroupId can't be empty."
        elif request.instance_id is not None and not request.instance_id.strip():
            problem = "InstanceId can't be empty."
        elif request.rack_id is not None and not request.rack_id.strip():
            problem = "RackId can't be empty."
        elif epoch < STATIC_LEAVE_EPOCH:
            problem = "MemberEpoch is invalid."
        elif epoch == STATIC_LEAVE_EPOCH and request.instance_id is None:
            problem = "InstanceId can't be null."
        elif epoch == JOIN_EPOCH:
            problem = self._join_problem()
        if problem is not None:
            raise ApiError(ErrorCode.INVALID_REQUEST, problem)
        if request.server_assignor is not None and request.server_assignor not in ASSIGNORS:
            raise ApiError(
                ErrorCode.UNSUPPORTED_ASSIGNOR,
                f"ServerAssignor {request.server_assignor} is not supported. "
                f"Supported assignors: {', '.join(ASSIGNORS)}.",
            )

    def _join_problem(self) -> str | None:
        request = self._request
        if request.rebalance_timeout_ms == -1:
            return "RebalanceTimeoutMs must be provided in first request."
        if request.topic_partitions is None or request.topic_partitions:
            return "TopicPartitions must be empty when (re-)joining."
        if request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
            return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
        return None

    # Join and stay

    def _join(self) -> ConsumerGroupHeartbeatResponse:
        """Take a member in, or back."""
        request, step = self._request, self._step
        member_id = request.member_id or step.random_uuid()
        old_group = self._groups.get(request.group_id)
        if isinstance(old_group, ConsumerGroup):
            group = old_group
        elif old_group is None or is_empty(old_group):
            group = ConsumerGroup(request.group_id)
        else:
            group = upgraded(old_group, step)
        check_room(group, member_id, step)
        replaced = self._replaced_static_member(group, member_id)
        regex_topics = self._resolve_regex(group)

        if isinstance(old_group, ClassicGroup):
            if is_empty(old_group):
                delete_group(self._groups, old_group, step)
            else:
                upgrade(self._groups, old_group, group, step)
        self._groups[request.group_id] = group
        if replaced is not None:
            replace_static_member(group, replaced, member_id, step)
        return self._take_part(group, member_id, regex_topics)

    def _replaced_static_member(self, group: ConsumerGroup, member_id: str) -> ConsumerMember | None:
        """The static member whose place the caller takes, if it is another one or has left for a while.

        One that comes as itself again has not had its last answer, or was fenced.
        """
        instance_id = self._request.instance_id
        owner = group.static_members.get(instance_id) if instance_id is not None else None
        if owner is None:
            return None
        member = group.members[owner]
        if member.is_classic or member.has_left_for_a_while:
            return member
        if owner != member_id:
            raise ApiError(
                ErrorCode.UNRELEASED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance"
                f" id is owned by {owner} member.",
            )
        return None

    def _stay(self) -> ConsumerGroupHeartbeatResponse:
        """Hear from a member, and tell it what has changed."""
        group = self._consumer_group()
        check_room(group, self._request.member_id, self._step)
        member = group.member(self._request.member_id, self._request.instance_id)
        self._check_epoch(member)
        return self._take_part(group, member.member_id, self._resolve_regex(group))

    def _check_epoch(self, member: ConsumerMember) -> None:
        epoch, owned = self._request.member_epoch, self._owned()
        if epoch == member.member_epoch:
            return
        # It may not have had the answer that told it of the new epoch.
        has_missed_answer = (
            epoch == member.previous_member_epoch and owned is not None and owned <= member.assigned.keys()
        )
        if epoch > member.member_epoch or not has_missed_answer:
            raise ApiError(
                ErrorCode.FENCED_MEMBER_EPOCH,
                f"The consumer group member has a {'greater' if epoch > member.member_epoch else 'smaller'} member"
                f" epoch ({epoch}) than the one known by the group coordinator ({member.member_epoch})."
                " The member must abandon all its partitions and rejoin.",
            )

    def _resolve_regex(self, group: ConsumerGroup) -> frozenset[str]:
        regex = self._request.subscribed_topic_regex
        return resolve_regex(regex, self._step) if regex and regex not in group.regexes else frozenset()

    def _take_part(
        self, group: ConsumerGroup, member_id: str, regex_topics: frozenset[str]
    ) -> ConsumerGroupHeartbeatResponse:
        request, step = self._request, self._step
        old = group.members.get(member_id)
        wanted = self._updated(old or ConsumerMember(member_id=member_id))
        has_changed = update_member(group, old, wanted, regex_topics, step)
        update_target(group, step)
        member = reconcile_member(group, member_id, self._owned(), step, has_subscription_changed=has_changed)
        keep_alive(group, member, step)
        response = ConsumerGroupHeartbeatResponse(
            member_id=member_id,
            member_epoch=member.member_epoch,
            heartbeat_interval_ms=step.consumer_times(group.group_id).heartbeat_interval_ms,
        )
        # A member that tells everything asks for everything: it joins, or does not know what became of its last one.
        is_full_request = (
            request.rebalance_timeout_ms != -1
            and (request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None)
            and request.topic_partitions is not None
        )
        has_news = old is None or member.assigned.keys() != old.assigned.keys()
        if request.member_epoch == JOIN_EPOCH or is_full_request or has_news:
            response.assignment = Assignment(
                topic_partitions=[
                    TopicPartitions(topic_id=topic_id, partitions=indexes)
                    for topic_id, indexes in by_topic(member.assigned).items()
                ]
            )
        return response

    def _updated(self, member: ConsumerMember) -> ConsumerMember:
        """The member with what the request says, itself if that is nothing; null means as before."""
        request, context = self._request, self._context
        timeout_ms, names, regex = (
            request.rebalance_timeout_ms,
            request.subscribed_topic_names,
            request.subscribed_topic_regex,
        )
        says_nothing = (
            names is None
            and regex is None
            and timeout_ms == -1
            and request.server_assignor is None
            and request.instance_id is None
            and request.rack_id is None
            and not member.is_classic
            and (member.client_id, member.client_host) == (context.client_id, context.client_host)
        )
        if says_nothing:
            return member
        return attrs.evolve(
            member,
            instance_id=member.instance_id if request.instance_id is None else request.instance_id,
            rack_id=member.rack_id if request.rack_id is None else request.rack_id,
            rebalance_timeout_ms=member.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
            server_assignor=member.server_assignor if request.server_assignor is None else request.server_assignor,
            subscribed_topics=member.subscribed_topics if names is None else frozenset(names),
            subscribed_regex=member.subscribed_regex if regex is None else regex,
            client_id=context.client_id,
            client_host=context.client_host,
            classic=None,
        )

    def _owned(self) -> Partitions | None:
        topics = self._request.topic_partitions
        return None if topics is None else flattened(topics)

    def _consumer_group(self) -> ConsumerGroup:
        group_id = self._request.group_id
        group = self._groups.get(group_id)
        if group is None:
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {group_id} not found.")
        if isinstance(group, ClassicGroup):
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
        return group

    # Leave

    def _leave(self) -> ConsumerGroupHeartbeatResponse:
        request = self._request
        group = self._consumer_group()
        member = group.member(request.member_id, request.instance_id)
        if request.member_epoch == STATIC_LEAVE_EPOCH:
            leave_for_a_while(group, member, self._step)
        else:
            remove_or_downgrade(self._groups, group, [member.member_id], self._step)
        return ConsumerGroupHeartbeatResponse(member_id=member.member_id, member_epoch=request.member_epoch)


def check_room(group: ConsumerGroup, member_id: str, step: Step) -> None:
    """Check that the group takes this member in, or has it already.

    Raises:
        ApiError: GROUP_MAX_SIZE_REACHED.
    """
    limit = step.config.group_consumer_max_size
    if len(group.members) >= limit and member_id not in group.members:
        raise ApiError(
            ErrorCode.GROUP_MAX_SIZE_REACHED,
            f"The consumer group has reached its maximum capacity of {limit} members.",
        )


def replace_static_member(group: ConsumerGroup, old: ConsumerMember, member_id: str, step: Step) -> None:
    """Let a static member go on under another member id: what it had and shall have is its own."""
    new = attrs.evolve(old, member_id=member_id, member_epoch=JOIN_EPOCH, previous_member_epoch=JOIN_EPOCH)
    target = group.target_of(old.member_id)
    cancel_deadlines(group, old.member_id, step)
    for record in (
        *gone_member_records(group.group_id, old.member_id),
        member_record(group.group_id, new),
        target_record(group.group_id, member_id, target),
        current_record(group.group_id, new),
    ):
        group.change(record, step)
