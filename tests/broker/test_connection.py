"""A client connection: responses in the order of the requests, and how it ends."""

from hypothesis import given
from hypothesis import strategies as st

from dotkafka.broker.answer_memory import AnswerMemory
from dotkafka.broker.connection import Connection, Exchange
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatResponse
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.produce import PRODUCE


def test_responses_come_in_request_order(client, batch):
    """An answer that is ready waits for those of earlier requests, and leaves with them."""
    client.create_topic("t")
    client.send(FETCH, 11, client.fetch_request("t", max_wait_ms=10_000))
    client.send(API_VERSIONS, 3, ApiVersionsRequest("test", "1"))
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    assert list(client.received()) == []
    assert client.connection.pending_requests == 3
    client.running.settle()
    # `received` has checked that the correlation ids are in order.
    fetched, versions, produced = client.received()
    assert fetched.responses[0].partitions[0].high_watermark == 1
    assert versions.api_keys
    assert produced.responses[0].partition_responses[0].base_offset == 0
    assert client.connection.pending_requests == 0


@given(st.permutations(range(6)), st.integers(0, 6))
def test_any_order_of_answers(order, closing):
    """Whatever is answered first, bytes leave in request order, and none after the request that ends the connection."""
    ready: list[Connection] = []
    connection = Connection("10.0.0.7", ("broker.test", 9092), ready.append, AnswerMemory(1_000_000))
    exchanges = [Exchange(connection, HEARTBEAT, 0, number, None) for number in range(6)]
    for exchange in exchanges:
        connection.begin(exchange)
    answered: set[int] = set()
    sent: list[int] = []
    for number in order:
        exchange = exchanges[number]
        if number == closing:
            exchange.close_connection()
        else:
            exchange.respond(HeartbeatResponse(error_code=0))
        answered.add(number)
        # Told exactly when there is something to take.
        is_next = number == len(sent) and not connection.is_closing
        assert bool(ready) == is_next
        ready.clear()
        frame = b"".join(connection.take_responses())
        sent += [int.from_bytes(frame[start + 4 : start + 8], "big") for start in range(0, len(frame), 10)]
        complete = next((count for count in range(6) if count not in answered), 6)
        assert sent == list(range(min(complete, closing)))
        assert connection.is_closing == (closing < complete)
        if connection.is_closing:
            assert connection.pending_requests == 0


def test_the_request_that_ends_the_connection_waits_for_earlier_answers(client):
    """What came before a malformed request is answered; then the connection closes, and no more is served."""
    client.create_topic("t")
    client.send(FETCH, 11, client.fetch_request("t", max_wait_ms=500))
    client.send_frame(b"\x00")
    client.send(API_VERSIONS, 0, ApiVersionsRequest(), expects_response=False)
    assert not client.is_closed_by_broker
    assert not client.running.broker.may_read(client.connection)
    client.running.advance(500)
    (fetched,) = client.received()
    assert fetched.responses[0].topic == "t"
    assert client.is_closed_by_broker


def test_a_client_that_has_gone_is_forgotten(client, running, batch):
    """What a client has asked for is done though it hangs up; its answers go nowhere."""
    client.create_topic("t")
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    client.send(FETCH, 11, client.fetch_request("t", 1, max_wait_ms=500))
    running.broker.disconnect(client.connection, running.machine.now)
    running.settle()
    running.advance(500)
    assert client.connection.take_responses() == []
    assert client.connection not in running.broker.take_ready_connections()
    assert running.connect().fetch("t").high_watermark == 1


def test_an_answer_that_cannot_be_encoded_closes_only_its_connection(client, running, batch, monkeypatch):
    """An answer that is too long for the wire harms nobody else's."""
    monkeypatch.setattr("dotkafka.errors.MAX_MESSAGE_CHARACTERS", 40_000)  # so that a hostile name makes one
    client.create_topic("t")
    other = running.connect()
    other.send(PRODUCE, 9, other.produce_request("t", batch(b"a")))
    client.send(PRODUCE, 9, client.produce_request("\x01" * 32_000, batch(b"a")), expects_response=False)
    third = running.connect()
    third.send(PRODUCE, 9, third.produce_request("t", batch(b"b")))
    running.settle()
    assert client.is_closed_by_broker
    offsets = [response.responses[0].partition_responses[0].base_offset for response in other.received()]
    offsets += [response.responses[0].partition_responses[0].base_offset for response in third.received()]
    assert offsets == [0, 1]


def test_memory_of_requests_and_answers_is_given_back(boot):
    """A request counts until it is answered; an answer until it is known to have gone, or its client has."""
    running = boot()
    broker = running.broker
    limit = broker.answer_memory.left_bytes
    first, second = running.connect(), running.connect()
    for client in (first, second):
        client.send(API_VERSIONS, 3, ApiVersionsRequest("test", "1"))
    size = first.connection.answer_bytes
    assert size == second.connection.answer_bytes > 100
    assert first.connection.request_bytes == 0
    assert broker.answer_memory.left_bytes == limit - 2 * size
    assert sum(map(len, first.connection.take_responses())) == size
    assert broker.answer_memory.left_bytes == limit - 2 * size
    assert first.connection.take_responses() == []
    assert broker.answer_memory.left_bytes == limit - size
    broker.disconnect(second.connection, running.machine.now)
    assert broker.answer_memory.left_bytes == limit


def test_an_answer_that_waits_for_a_write_counts(client, running):
    """It is made when it is asked for, and leaves when what it rests on is durable."""
    client.create_topic("t")
    assert client.connection.take_responses() == []
    creator = running.connect()
    topic = CreatableTopic(name="u", num_partitions=1, replication_factor=1)
    creator.send(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic]))
    client.send(METADATA, 9, MetadataRequest(topics=None))
    limit = running.broker.answer_memory.limit_bytes
    counted = client.connection.answer_bytes + creator.connection.answer_bytes
    assert client.connection.answer_bytes > 50
    assert running.broker.answer_memory.left_bytes == limit - counted
    assert client.connection.take_responses() == []
    running.settle()
    assert client.connection.answer_bytes + creator.connection.answer_bytes == counted
    (described,) = client.received()
    assert {topic.name for topic in described.topics} == {"t", "u"}
    assert list(client.received()) == []
    assert client.connection.answer_bytes == 0


def test_no_more_is_read_of_a_client_with_much_to_take(client, monkeypatch):
    """It waits until that is taken, whatever others do."""
    monkeypatch.setattr("dotkafka.broker.broker.MAX_ANSWER_BYTES_AHEAD", 100)
    broker, other = client.running.broker, client.running.connect()
    client.send(API_VERSIONS, 3, ApiVersionsRequest("test", "1"))
    assert not broker.may_read(client.connection)
    assert broker.may_read(other.connection)
    client.connection.take_responses()
    assert not broker.may_read(client.connection)
    client.connection.take_responses()
    assert broker.may_read(client.connection)
