"""A wiretap makes a history of what passes: each operation as it was, and what is wrong is found in it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.coordinator.group_records import encode_assignment
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import RequestHeader, encode_request_header, encode_response_header
from dotkafka.protocol.messages import consumer_group_heartbeat as heartbeats
from dotkafka.protocol.messages import offset_commit, offset_fetch
from dotkafka.protocol.messages.consumer_protocol import (
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from dotkafka.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from dotkafka.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
    DeleteRecordsTopicResult,
)
from dotkafka.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from dotkafka.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
)
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from dotkafka.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from dotkafka.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from dotkafka.protocol.messages.metadata import MetadataRequest, MetadataResponse, MetadataResponseTopic
from dotkafka.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from dotkafka.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from dotkafka.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from dotkafka.records.batch import encode_batch
from dotkafka.records.legacy import encode_message_set
from dotkafka.records.record import Record
from dotkafka.testing.history import (
    Anomaly,
    Assigned,
    Healed,
    History,
    Mark,
    Operation,
    Outcome,
    Partition,
    Poll,
    Revoked,
    Send,
    check,
)
from dotkafka.testing.random_messages import RandomValues
from dotkafka.testing.wiretap import Wiretap

if TYPE_CHECKING:
    from collections.abc import Sequence

T_ID = bytes(range(16))
PRODUCER_ID = 7


class Wire:
    """A tapped connection, and both of its ends."""

    def __init__(self, tap: Wiretap) -> None:
        self.tapped = tap.connect()
        self._numbers = itertools.count()

    def ask(self, api: ApiKey, version: int, request: Any) -> tuple[ApiKey, int, int]:
        """The client sends a request; what it is answered by."""
        number = next(self._numbers)
        header = encode_request_header(RequestHeader(api, version, number, "test"))
        self.tapped.feed_requests(framed(header + api_for(api).encode_request(version, request)))
        return api, version, number

    def answer(self, asked: tuple[ApiKey, int, int], response: Any) -> None:
        """The broker sends a response."""
        api, version, number = asked
        header = encode_response_header(api, version, number)
        self.tapped.feed_responses(framed(header + api_for(api).encode_response(version, response)))

    def call(self, api: ApiKey, version: int, request: Any, response: Any) -> None:
        """Both of them."""
        self.answer(self.ask(api, version, request), response)

    # -- logs ----------------------------------------------------------------------------------------------------------

    def ask_to_produce(self, data: bytes, version: int = 9, acks: int = -1) -> tuple[ApiKey, int, int]:
        """Send batches to partition 0 of topic t."""
        topic = TopicProduceData("t", T_ID, [PartitionProduceData(0, data)])
        return self.ask(ApiKey.PRODUCE, version, ProduceRequest(acks=acks, topic_data=[topic]))

    def produce(self, values: str, offset: int = 0, *, error: int = 0, version: int = 9, **fields: int) -> None:
        """One record a letter, acknowledged at that offset, or refused."""
        asked = self.ask_to_produce(batch(values, **fields), version)
        found = PartitionProduceResponse(0, error, -1 if error else offset)
        self.answer(asked, ProduceResponse([TopicProduceResponse("t", T_ID, [found])]))

    def fetch(self, data: bytes, offset: int = 0, high: int = 100, low: int = 0, version: int = 12) -> None:
        """Read partition 0 of topic t, without a session."""
        topic = FetchTopic("t", T_ID, [FetchPartition(0, fetch_offset=offset)])
        self.call(ApiKey.FETCH, version, FetchRequest(topics=[topic]), fetched(data, high, low))

    # -- groups --------------------------------------------------------------------------------------------------------

    def join(self, member: str, generation: int, *owned: int, instance_id: str | None = None) -> None:
        """A member of group g joins, and still owns these."""
        subscription = ConsumerProtocolSubscription(
            topics=["t"], owned_partitions=[ConsumerProtocolSubscriptionTopicPartition("t", list(owned))]
        )
        metadata = (1).to_bytes(2, "big") + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(1, subscription)
        protocols = [JoinGroupRequestProtocol("range", metadata)]
        self.call(
            ApiKey.JOIN_GROUP,
            5,
            JoinGroupRequest("g", 1, 1, member, instance_id, "consumer", protocols),
            JoinGroupResponse(generation_id=generation, protocol_name="range", leader="a", member_id=member),
        )

    def sync(self, member: str, generation: int, *partitions: int, instance_id: str | None = None) -> None:
        """A member of group g is told what it owns."""
        self.call(
            ApiKey.SYNC_GROUP,
            3,
            SyncGroupRequest("g", generation, member, instance_id),
            SyncGroupResponse(assignment=encode_assignment({"t": partitions}, 0)),
        )

    def beat(
        self,
        member: str,
        present: int,
        *,
        owns: Sequence[int] | None = None,
        instance_id: str | None = None,
        **answer: Any,
    ) -> None:
        """A heartbeat of the consumer protocol; the answer has an epoch, what is assigned, and a new member's id."""
        self.call(
            ApiKey.CONSUMER_GROUP_HEARTBEAT,
            1,
            heartbeats.ConsumerGroupHeartbeatRequest(
                "g",
                member,
                present,
                instance_id=instance_id,
                topic_partitions=None if owns is None else [heartbeats.TopicPartitions(T_ID, owns)],
            ),
            heartbeats.ConsumerGroupHeartbeatResponse(
                member_id=answer.get("own_id", member),
                member_epoch=answer.get("epoch", present),
                assignment=heartbeats.Assignment([heartbeats.TopicPartitions(T_ID, answer["assigned"])])
                if "assigned" in answer
                else None,
            ),
        )

    def commit(self, offset: int, generation: int = -1, *, error: int = 0, version: int = 8) -> None:
        """Group g commits an offset of partition 0."""
        partition = offset_commit.OffsetCommitRequestPartition(0, offset)
        answered = offset_commit.OffsetCommitResponsePartition(0, error)
        self.call(
            ApiKey.OFFSET_COMMIT,
            version,
            offset_commit.OffsetCommitRequest(
                "g",
                generation,
                "",
                topics=[offset_commit.OffsetCommitRequestTopic("t", T_ID, [partition])],
            ),
            offset_commit.OffsetCommitResponse(topics=[offset_commit.OffsetCommitResponseTopic("t", T_ID, [answered])]),
        )

    def find(self, offset: int, *, version: int = 8, error: int = 0) -> None:
        """Somebody asks what group g has committed."""
        old = offset_fetch.OffsetFetchResponsePartition(0, offset, error_code=error)
        new = offset_fetch.OffsetFetchResponsePartitions(0, offset, error_code=error)
        grouped = version >= 8
        self.call(
            ApiKey.OFFSET_FETCH,
            version,
            offset_fetch.OffsetFetchRequest(groups=[offset_fetch.OffsetFetchRequestGroup("g")])
            if grouped
            else offset_fetch.OffsetFetchRequest("g"),
            offset_fetch.OffsetFetchResponse(
                groups=[
                    offset_fetch.OffsetFetchResponseGroup(
                        "g", [offset_fetch.OffsetFetchResponseTopics("t", T_ID, [new])]
                    )
                ]
            )
            if grouped
            else offset_fetch.OffsetFetchResponse(topics=[offset_fetch.OffsetFetchResponseTopic("t", [old])]),
        )


def framed(frame: bytes) -> bytes:
    """A frame with its size in front."""
    return len(frame).to_bytes(4, "big") + frame


def batch(values: str, offset: int = 0, sequence: int = -1, producer_id: int = -1, **fields: Any) -> bytes:
    """One record a letter; with a sequence number, of an idempotent producer."""
    if sequence >= 0:
        fields |= {"producer_id": PRODUCER_ID, "producer_epoch": 0, "base_sequence": sequence}
    elif producer_id >= 0:
        fields |= {"producer_id": producer_id}
    records = [Record(0, 0, None, value.encode()) for value in values]
    return bytes(encode_batch(records, base_offset=offset, **fields))


def fetched(data: bytes, high: int = 100, low: int = 0, session_id: int = 0) -> FetchResponse:
    """What is found in partition 0 of topic t."""
    partition = PartitionData(0, high_watermark=high, log_start_offset=low, records=data)
    return FetchResponse(session_id=session_id, responses=[FetchableTopicResponse("t", T_ID, [partition])])


@pytest.fixture(name="history")
def fixture_history() -> History:
    """What is written."""
    return History()


@pytest.fixture(name="tap")
def fixture_tap(history: History) -> Wiretap:
    """What writes it."""
    return Wiretap(history)


@pytest.fixture(name="wire")
def fixture_wire(tap: Wiretap) -> Wire:
    """A connection, on which the client has learned the id of topic t."""
    wire = Wire(tap)
    topics = [MetadataResponseTopic(name="t", topic_id=T_ID), MetadataResponseTopic(name="__i", is_internal=True)]
    wire.call(ApiKey.METADATA, 10, MetadataRequest(topics=None), MetadataResponse(topics=topics))
    return wire


def anomalies(history: History) -> list[Anomaly]:
    """What is wrong, when all has healed."""
    history.add(Healed("test"))
    return [finding.anomaly for finding in check(history)]


def of(history: History, kind: type[Operation]) -> list[Any]:
    """The operations of one kind."""
    return [operation for operation in history.operations if isinstance(operation, kind)]


# Logs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [9, 13])
def test_what_is_sent_and_read_is_noted(history: History, wire: Wire, version: int) -> None:
    """By the name of the topic or by its id, record by record."""
    wire.produce("abc", 5, version=version)
    wire.fetch(batch("abc", 5), 5, version=version)
    assert [(sent.value, sent.offset, sent.is_ok) for sent in of(history, Send)] == [
        *(("a", 5, True), ("b", 6, True), ("c", 7, True))
    ]
    assert of(history, Poll)[0].records == [("t", 0, 5, "a"), ("t", 0, 6, "b"), ("t", 0, 7, "c")]
    assert of(history, Send)[0].client == of(history, Poll)[0].client == "test #1"
    assert anomalies(history) == []


def test_topics_that_nobody_has_named_are_left_out(history: History, tap: Wiretap) -> None:
    """Their ids mean nothing."""
    wire = Wire(tap)
    wire.produce("a", version=13)
    wire.fetch(batch("a"), version=13)
    wire.beat("a", 0, epoch=1, assigned=[0])
    assert of(history, Send) == of(history, Poll) == []
    assert anomalies(history) == []


def test_internal_topics_are_left_out(history: History, wire: Wire) -> None:
    """The broker writes them, and no client: what is read there is no phantom."""
    topic = FetchTopic("__i", partitions=[FetchPartition(0)])
    data = PartitionData(0, records=batch("a"))
    response = FetchResponse(responses=[FetchableTopicResponse("__i", partitions=[data])])
    wire.call(ApiKey.FETCH, 12, FetchRequest(topics=[topic]), response)
    assert anomalies(history) == []


def test_old_message_sets(history: History, wire: Wire) -> None:
    """Those of magic 1 are read too, cut short as they may be."""
    records = [Record(number, 0, None, value) for number, value in enumerate([b"a", b"b", None])]
    data = bytes(encode_message_set(records, magic=1))
    asked = wire.ask_to_produce(data, 3)
    wire.answer(asked, ProduceResponse([TopicProduceResponse("t", T_ID, [PartitionProduceResponse(0, 0, 0)])]))
    wire.fetch(data[:-1], version=4)
    assert [(sent.value, sent.is_tombstone) for sent in of(history, Send)] == [("a", False), ("b", False), ("", True)]
    assert [record.value for record in of(history, Poll)[0].records] == ["a", "b"]


def test_a_fetch_begins_before_what_was_asked_for(history: History, wire: Wire) -> None:
    """The first batch is whole; the records before are not handed to anybody."""
    wire.produce("abc")
    wire.fetch(batch("abc"))
    wire.fetch(batch("abc"), 2)
    assert [record.value for record in of(history, Poll)[1].records] == ["c"]
    assert anomalies(history) == []


def test_a_fetch_session_repeats_nothing(history: History, wire: Wire) -> None:
    """Where it reads is known from an earlier request, until the partition is forgotten."""
    wire.produce("ab")
    topic = FetchTopic("t", T_ID, [FetchPartition(0, fetch_offset=1)])
    wire.call(ApiKey.FETCH, 12, FetchRequest(session_epoch=0, topics=[topic]), fetched(b"", session_id=5))
    wire.call(ApiKey.FETCH, 12, FetchRequest(session_id=5, session_epoch=1), fetched(batch("ab"), session_id=5))
    assert [record.value for record in of(history, Poll)[0].records] == ["b"]
    forgotten = [ForgottenTopic("t", T_ID, [0])]
    request = FetchRequest(session_id=5, session_epoch=2, forgotten_topics_data=forgotten)
    wire.call(ApiKey.FETCH, 12, request, fetched(batch("ab"), session_id=5))
    assert len(of(history, Poll)) == 1


def test_a_lost_write(history: History, wire: Wire) -> None:
    """A consumer is given the record behind it."""
    wire.produce("abc")
    wire.fetch(batch("a"))
    wire.fetch(batch("c", 2), 1)
    assert anomalies(history) == [Anomaly.LOST_WRITE]


def test_an_unseen_write(history: History, wire: Wire) -> None:
    """Nobody reads it."""
    wire.produce("a")
    assert anomalies(history) == [Anomaly.UNSEEN]


def test_a_watermark_that_goes_back(history: History, wire: Wire) -> None:
    """In answers to Fetch, and to ListOffsets."""
    wire.fetch(b"", high=9)
    wire.fetch(b"", high=8)
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS]


@pytest.mark.parametrize(("timestamp", "before", "after"), [(-1, 9, 8), (-2, 3, 2)])
def test_an_end_that_goes_back(history: History, wire: Wire, timestamp: int, before: int, after: int) -> None:
    """As ListOffsets tells the latest offset, or the earliest."""
    for offset in (before, after):
        wire.call(
            ApiKey.LIST_OFFSETS,
            5,
            ListOffsetsRequest(topics=[ListOffsetsTopic("t", [ListOffsetsPartition(0, timestamp=timestamp)])]),
            ListOffsetsResponse(
                topics=[ListOffsetsTopicResponse("t", [ListOffsetsPartitionResponse(0, offset=offset)])]
            ),
        )
    assert anomalies(history) == [Anomaly.WATERMARK_REGRESS]


@pytest.mark.parametrize(("offset", "found"), [(3, []), (4, [Anomaly.DUPLICATE])])
def test_a_retry(history: History, wire: Wire, tap: Wiretap, offset: int, found: list[Anomaly]) -> None:
    """An idempotent producer sends it again on another connection, and is told where it stands."""
    wire.ask_to_produce(batch("a", sequence=0))
    wire.tapped.close()
    again = Wire(tap)
    again.fetch(batch("a", 3, sequence=0), 3)
    again.produce("a", offset, sequence=0)
    assert len(of(history, Send)) == 1
    assert anomalies(history) == found


def test_two_answers_to_one_record(history: History, wire: Wire) -> None:
    """The second one names another offset than where it is read."""
    wire.produce("a", 3, sequence=0)
    wire.fetch(batch("a", 3, sequence=0), 3)
    wire.produce("a", 4, sequence=0)
    assert anomalies(history) == [Anomaly.DUPLICATE]


def test_equal_values_are_told_apart_by_their_sequence_numbers(history: History, wire: Wire) -> None:
    """They are different records of an idempotent producer."""
    wire.produce("aa", sequence=0)
    wire.fetch(batch("aa", sequence=0))
    assert [sent.value for sent in of(history, Send)] == ["a (7:0:0)", "a (7:0:1)"]
    assert anomalies(history) == []


@pytest.mark.parametrize(
    ("error", "outcome", "found"),
    [
        (ErrorCode.CORRUPT_MESSAGE, Outcome.FAIL, [Anomaly.PHANTOM]),
        (ErrorCode.KAFKA_STORAGE_ERROR, Outcome.UNKNOWN, []),
    ],
)
def test_a_refusal(history: History, wire: Wire, error: ErrorCode, outcome: Outcome, found: list[Anomaly]) -> None:
    """What was refused for certain must not be read; of another error nobody knows what it means."""
    wire.produce("a", error=error)
    wire.fetch(batch("a"))
    assert of(history, Send)[0].outcome is outcome
    assert anomalies(history) == found


def test_a_refused_record_is_sent_again(history: History, wire: Wire) -> None:
    """Then it is there; and a refusal after that undoes nothing."""
    wire.produce("a", error=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, sequence=0)
    wire.produce("a", sequence=0)
    wire.produce("a", error=ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, sequence=0)
    wire.fetch(batch("a", sequence=0))
    assert of(history, Send)[0].is_ok
    assert anomalies(history) == []


def test_without_an_answer(history: History, wire: Wire) -> None:
    """With acks 0, or when the connection breaks, nobody knows."""
    wire.ask_to_produce(batch("a"), acks=0)
    wire.ask_to_produce(batch("b"))
    assert [sent.outcome for sent in of(history, Send)] == [Outcome.UNKNOWN, Outcome.PENDING]
    wire.tapped.close()
    assert [sent.outcome for sent in of(history, Send)] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert anomalies(history) == []


def test_deletions(history: History, wire: Wire) -> None:
    """What is deleted need not be read: some records, or the topic."""
    wire.produce("ab")
    wire.call(
        ApiKey.DELETE_RECORDS,
        2,
        DeleteRecordsRequest([DeleteRecordsTopic("t", [DeleteRecordsPartition(0, -1)])]),
        DeleteRecordsResponse(topics=[DeleteRecordsTopicResult("t", [DeleteRecordsPartitionResult(0, 2)])]),
    )
    wire.produce("c", 2)
    wire.call(
        ApiKey.DELETE_TOPICS,
        6,
        DeleteTopicsRequest([DeleteTopicState(topic_id=T_ID)]),
        DeleteTopicsResponse(responses=[DeletableTopicResult("t", T_ID)]),
    )
    wire.produce("d")
    wire.fetch(batch("d"))
    assert anomalies(history) == []


def test_a_refused_deletion_deletes_nothing(history: History, wire: Wire) -> None:
    """The records must be read."""
    wire.produce("a")
    wire.call(
        ApiKey.DELETE_TOPICS,
        5,
        DeleteTopicsRequest(topic_names=["t"]),
        DeleteTopicsResponse(responses=[DeletableTopicResult("t", error_code=ErrorCode.TOPIC_DELETION_DISABLED)]),
    )
    wire.call(
        ApiKey.DELETE_RECORDS,
        2,
        DeleteRecordsRequest([DeleteRecordsTopic("t", [DeleteRecordsPartition(0, 9)])]),
        DeleteRecordsResponse(topics=[DeleteRecordsTopicResult("t", [DeleteRecordsPartitionResult(0, -1, 1)])]),
    )
    assert anomalies(history) == [Anomaly.UNSEEN]


def test_transactions_are_refused(wire: Wire) -> None:
    """Whether their records may be read depends on what is not looked at."""
    with pytest.raises(ValueError, match="transactions are not judged yet"):
        wire.ask_to_produce(batch("a", sequence=0, is_transactional=True))


# Groups --------------------------------------------------------------------------------------------------------------


def test_eager_members_give_up_all_when_they_join(history: History, wire: Wire) -> None:
    """So a partition may go to another member in the next generation."""
    wire.join("a", 1)
    wire.sync("a", 1, 0, 1)
    wire.join("a", 2)
    wire.join("b", 2)
    wire.sync("b", 2, 0)
    wire.sync("a", 2, 1)
    assert [revoked.partitions for revoked in of(history, Revoked)] == [[Partition("t", 0), Partition("t", 1)]]
    assert anomalies(history) == []


def test_two_owners_in_one_generation(history: History, wire: Wire) -> None:
    """Never."""
    for member in "ab":
        wire.join(member, 1)
        wire.sync(member, 1, 0)
    assert anomalies(history) == [Anomaly.DOUBLE_ASSIGNMENT]


@pytest.mark.parametrize(("owned", "found"), [([0, 1], [Anomaly.DOUBLE_ASSIGNMENT]), ([1], [])])
def test_a_cooperative_member_keeps_what_it_has(
    history: History, wire: Wire, owned: list[int], found: list[Anomaly]
) -> None:
    """What it still claims must not go to another one in the same generation."""
    wire.join("a", 1)
    wire.sync("a", 1, 0, 1)
    wire.join("a", 2, *owned)
    wire.join("b", 2)
    wire.sync("b", 2, 0)
    wire.sync("a", 2, 1)
    assert anomalies(history) == found


def test_a_static_member_is_one_member(history: History, wire: Wire) -> None:
    """It comes back under another member id, and has what it had, in the same generation."""
    wire.join("a-1", 1, instance_id="i")
    wire.sync("a-1", 1, 0, instance_id="i")
    wire.join("a-2", 1, instance_id="i")
    wire.sync("a-2", 1, 0, instance_id="i")
    assert anomalies(history) == []


def test_a_group_begins_anew(history: History, wire: Wire) -> None:
    """Its generations do too, and who has died in its former life owns nothing."""
    wire.join("a", 1)
    wire.sync("a", 1, 0)
    wire.join("b", 2)
    wire.sync("b", 2, 0)
    wire.join("c", 1)
    wire.sync("c", 1, 0)
    wire.join("d", 2)
    wire.sync("d", 2, 0)
    assert anomalies(history) == []


def test_a_member_leaves(history: History, wire: Wire) -> None:
    """Then another one may have what it had, in the same generation."""
    wire.join("a", 1)
    wire.sync("a", 1, 0)
    wire.call(ApiKey.LEAVE_GROUP, 3, LeaveGroupRequest("g", members=[MemberIdentity("a")]), LeaveGroupResponse())
    wire.join("b", 1)
    wire.sync("b", 1, 0)
    assert anomalies(history) == []


def test_a_member_that_was_never_told_to_give_up(history: History, wire: Wire) -> None:
    """Its heartbeats are answered as before."""
    wire.join("a", 1)
    wire.sync("a", 1, 0)
    wire.join("b", 2)
    wire.sync("b", 2, 0)
    wire.call(ApiKey.HEARTBEAT, 3, HeartbeatRequest("g", 1, "a"), HeartbeatResponse())
    assert anomalies(history) == [Anomaly.DOUBLE_ASSIGNMENT]


def test_groups_of_other_protocol_types(history: History, wire: Wire) -> None:
    """What their members are assigned is their own."""
    for member in "ab":
        request = JoinGroupRequest("g", 1, 1, member, None, "connect", [JoinGroupRequestProtocol("eager", b"\0")])
        response = JoinGroupResponse(generation_id=1, protocol_name="eager", leader="a", member_id=member)
        wire.call(ApiKey.JOIN_GROUP, 5, request, response)
        wire.sync(member, 1, 0)
    assert anomalies(history) == []


@pytest.mark.parametrize(("says_so", "found"), [(True, []), (False, [Anomaly.DOUBLE_ASSIGNMENT])])
def test_members_of_the_consumer_protocol(history: History, wire: Wire, *, says_so: bool, found: list[Anomaly]) -> None:
    """One has to say that it has given up a partition before another one gets it."""
    wire.beat("a", 0, epoch=1, assigned=[0, 1])
    wire.beat("b", 0, epoch=2, assigned=[])
    if says_so:
        wire.beat("a", 1, assigned=[1])
        wire.beat("a", 1, owns=[1], epoch=2)
    else:
        wire.beat("a", 1, epoch=2, assigned=[0, 1])
    wire.beat("b", 2, assigned=[0])
    assert anomalies(history) == found


def test_a_member_of_the_consumer_protocol_leaves(history: History, wire: Wire) -> None:
    """With epoch -1; or it is fenced, and joins again with nothing."""
    wire.beat("a", 0, epoch=1, assigned=[0])
    wire.beat("a", -1)
    wire.beat("b", 0, epoch=1, assigned=[0])
    wire.beat("b", 0, epoch=1, assigned=[1])
    wire.beat("c", 0, epoch=1, assigned=[0])
    assert anomalies(history) == []


@pytest.mark.parametrize("asked", ["", "a-1"])
def test_a_static_member_of_the_consumer_protocol(history: History, wire: Wire, asked: str) -> None:
    """It names its instance when it joins, and not again; the broker chooses the member id of who has none."""
    wire.beat(asked, 0, epoch=1, assigned=[0, 1], instance_id="i", own_id="a-1")
    wire.beat("b", 0, epoch=2, assigned=[])
    wire.beat("a-1", 1, assigned=[0])
    wire.beat("a-1", 1, owns=[0], epoch=2)
    wire.beat("b", 2, assigned=[1])
    wire.beat("a-1", -2, instance_id="i")
    wire.beat("a-2", 0, epoch=2, assigned=[0], instance_id="i")
    assert anomalies(history) == []
    assert {each.client for each in history.operations if isinstance(each, Assigned)} == {"i", "b"}


# Offsets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [6, 8, 10])
def test_commits(history: History, wire: Wire, version: int) -> None:
    """The last one is found; what was refused is not."""
    wire.commit(3, version=version)
    wire.commit(5, version=version)
    wire.commit(7, version=version, error=ErrorCode.ILLEGAL_GENERATION)
    wire.find(5, version=version)
    assert anomalies(history) == []


@pytest.mark.parametrize(
    ("found", "anomaly"), [(3, Anomaly.LOST_COMMIT), (-1, Anomaly.LOST_COMMIT), (6, Anomaly.PHANTOM_COMMIT)]
)
@pytest.mark.parametrize("version", [6, 8, 10])
def test_what_is_found_is_not_what_was_committed(
    history: History, wire: Wire, version: int, found: int, anomaly: Anomaly
) -> None:
    """An older one, none, another one."""
    wire.commit(3)
    wire.commit(5)
    wire.find(found, version=version)
    assert anomalies(history) == [anomaly]


def test_an_error_is_no_offset(history: History, wire: Wire) -> None:
    """The -1 beside it says nothing."""
    wire.commit(3)
    wire.find(-1, error=ErrorCode.UNSTABLE_OFFSET_COMMIT)
    assert anomalies(history) == []


def test_offsets_are_deleted(history: History, wire: Wire) -> None:
    """One by one, or with the group: then none is found."""
    wire.commit(3)
    wire.call(
        ApiKey.OFFSET_DELETE,
        0,
        OffsetDeleteRequest("g", [OffsetDeleteRequestTopic("t", [OffsetDeleteRequestPartition(0)])]),
        OffsetDeleteResponse(topics=[OffsetDeleteResponseTopic("t", [OffsetDeleteResponsePartition(0)])]),
    )
    wire.find(-1)
    wire.commit(4)
    wire.call(
        ApiKey.DELETE_GROUPS, 2, DeleteGroupsRequest(["g"]), DeleteGroupsResponse(results=[DeletableGroupResult("g")])
    )
    wire.find(-1)
    assert anomalies(history) == []


def test_offsets_that_may_not_be_deleted(history: History, wire: Wire) -> None:
    """They have to be there."""
    wire.commit(3)
    error = ErrorCode.NON_EMPTY_GROUP
    wire.call(ApiKey.OFFSET_DELETE, 0, OffsetDeleteRequest("g"), OffsetDeleteResponse(error))
    results = [DeletableGroupResult("g", error)]
    wire.call(ApiKey.DELETE_GROUPS, 2, DeleteGroupsRequest(["g"]), DeleteGroupsResponse(results=results))
    wire.find(-1)
    assert anomalies(history) == [Anomaly.LOST_COMMIT]


def test_a_stale_commit(history: History, wire: Wire) -> None:
    """A generation that has passed is heard."""
    wire.join("a", 2)
    wire.sync("a", 2, 0)
    wire.commit(3, generation=1)
    assert anomalies(history) == [Anomaly.STALE_COMMIT]


# Bytes ---------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_decoded_is_marked(history: History, wire: Wire) -> None:
    """A body, a header, records; what was asked remains open."""
    wire.tapped.feed_requests(framed(encode_request_header(RequestHeader(ApiKey.PRODUCE, 9, 99, "test")) + b"\xff"))
    wire.tapped.feed_requests(framed(b"\0"))
    wire.tapped.feed_responses(framed(b"\0\0\0\x55"))
    damaged = bytearray(batch("a"))
    damaged[-1] ^= 1
    api, version, number = wire.ask_to_produce(batch("b"))
    wire.tapped.feed_responses(framed(encode_response_header(api, version, number) + b"\xff"))
    wire.ask_to_produce(bytes(damaged))
    assert len(of(history, Mark)) == 5
    assert [sent.outcome for sent in of(history, Send)] == [Outcome.UNKNOWN]


@pytest.mark.parametrize("api_key", sorted(ApiKey), ids=lambda key: key.name.lower())
def test_any_message_may_pass(tap: Wiretap, api_key: ApiKey) -> None:
    """Whatever its fields are: nothing is raised, and what is noted can be judged."""
    wire = Wire(tap)
    api = api_for(api_key)
    for version in range(api.versions.lowest, api.versions.highest + 1):
        for number in range(3):
            values = RandomValues(f"{api_key}, {version}, {number}")
            request, response = values.message(api.request, version), values.message(api.response, version)
            if api_key == ApiKey.PRODUCE:
                request.acks = 1
            wire.call(api_key, version, request, response)
    wire.tapped.close()
    check(tap.history)
