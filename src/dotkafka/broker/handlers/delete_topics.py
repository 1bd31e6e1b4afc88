"""DeleteTopics: delete topics, all in one change.

Versions 0-6 are served: 0-5 name topics by name, 6 by name or by id (KIP-516). Messages come with errors from 5.

A deleted topic is gone at once: whoever waits for its records is told so, the offsets that groups have committed for it
are forgotten, and a new topic of the same name is another one. Internal topics are refused. Left out: the timeout,
since nobody else is waited for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import error_for, handles
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_topics import (
    DELETE_TOPICS,
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from dotkafka.protocol.messages.metadata_records import RemoveTopicRecord
from dotkafka.protocol.schema import NULL_UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.metadata.image import TopicImage

FIRST_VERSION_BY_ID: Final = 6


@handles(DELETE_TOPICS, versions="0-6")
def delete_topics(
    broker: Broker, request: DeleteTopicsRequest, exchange: Exchange[DeleteTopicsResponse]
) -> DeleteTopicsResponse | None:
    """Delete what can be deleted, and answer when that is durable."""
    asked_for = request.topics if exchange.version >= FIRST_VERSION_BY_ID else _by_name(request.topic_names)
    times_asked = Counter((state.name, state.topic_id) for state in asked_for)
    times_meant = Counter(
        topic.topic_id for topic in (_find(broker, state) for state in asked_for) if topic is not None
    )
    records = []
    results = []
    # One answer to each different way of asking, in the order of the request.
    for name, topic_id in times_asked:
        state = DeleteTopicState(name=name, topic_id=topic_id)
        try:
            if times_asked[name, topic_id] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
            topic = _deletable(broker, state)
            if times_meant[topic.topic_id] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic both by name and by id.")
        except ApiError as error:
            code, message = error_for(error)
            results.append(DeletableTopicResult(name=name, topic_id=topic_id, error_code=code, error_message=message))
        else:
            records.append(RemoveTopicRecord(topic_id=topic.topic_id))
            results.append(DeletableTopicResult(name=topic.name, topic_id=topic.topic_id))
    response = DeleteTopicsResponse(responses=results)
    if not records:
        return response
    broker.metadata_log.change(records)
    broker.respond_when_durable(exchange, response)
    return None


def _by_name(names: Sequence[str]) -> Sequence[DeleteTopicState]:
    return [DeleteTopicState(name=name) for name in names]


def _find(broker: Broker, state: DeleteTopicState) -> TopicImage | None:
    if state.name is not None:
        return broker.metadata.topics_by_name.get(state.name)
    return broker.metadata.topics_by_id.get(state.topic_id)


def _deletable(broker: Broker, state: DeleteTopicState) -> TopicImage:
    """Return the topic that is to be deleted.

    Raises:
        ApiError: INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_TOPIC_EXCEPTION for an internal
            topic, or KAFKA_STORAGE_ERROR.
    """
    if (state.name is None) == (state.topic_id == NULL_UUID):
        raise ApiError(ErrorCode.INVALID_REQUEST, "A topic is named either by name or by id.")
    topic = _find(broker, state)
    if topic is None:
        by_name = state.name is not None
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if by_name else ErrorCode.UNKNOWN_TOPIC_ID
        raise ApiError(code, "There is no such topic.")
    if topic.is_internal:
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic.name} is internal: it cannot be deleted.")
    broker.shard.check_writable()
    return topic
