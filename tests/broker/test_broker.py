"""The broker as a whole: how it is driven, how it slows its clients, and how it ends."""

import pytest

from dotkafka.broker.broker import Broker
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.protocol.messages.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.produce import PRODUCE


def test_ready_connections_are_named_once(client, running):
    """Whoever runs the broker learns which connections have something, and each of them once."""
    for _ in range(3):
        client.send(API_VERSIONS, 0, ApiVersionsRequest())
    assert running.broker.take_ready_connections() == (client.connection,)
    assert running.broker.take_ready_connections() == ()
    assert len(list(client.received())) == 3


def test_a_connection_with_many_requests_is_not_read(boot):
    """Requests without an answer are bounded; when answers are taken, reading goes on."""
    running = boot(max_pending_requests_per_connection=3)
    client = running.connect()
    client.create_topic("t")
    for _ in range(3):
        assert running.broker.may_read(client.connection)
        client.send(FETCH, 11, client.fetch_request("t", max_wait_ms=500))
    assert not running.broker.may_read(client.connection)
    assert running.broker.may_read(running.connect().connection)
    running.broker.take_ready_connections()
    running.advance(500)
    assert running.broker.take_ready_connections() == (client.connection,)
    assert len(list(client.received())) == 3
    assert running.broker.may_read(client.connection)


def test_a_doomed_connection_is_not_served(client, running, batch):
    """After a request that ends the connection nothing more is done for it."""
    client.create_topic("t")
    client.send_frame(b"")
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")), expects_response=False)
    running.settle()
    assert client.is_closed_by_broker
    assert running.connect().fetch("t").high_watermark == 0


def test_partitions_by_name_and_by_id(client, running):
    """Handlers find a partition by either, and refuse what is not there with the code of the way that was taken."""
    client.create_topic("t", 2)
    image = running.broker.metadata.topics_by_name["t"]
    assert running.broker.partition("t", 1) == running.broker.partition(image.topic_id, 1)
    for topic, index, code in (
        ("unknown", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (bytes(16), 0, ErrorCode.UNKNOWN_TOPIC_ID),
        ("t", 2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (image.topic_id, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ):
        with pytest.raises(ApiError) as refused:
            running.broker.partition(topic, index)
        assert refused.value.error_code == code


def test_leader_epochs_of_clients(boot):
    """Older metadata are fenced, newer ones are unknown, and a client that does not know may ask."""
    boot()
    broker = boot().broker
    broker.check_leader_epoch(-1)
    broker.check_leader_epoch(broker.shard.leader_epoch)
    for epoch, code in ((0, ErrorCode.FENCED_LEADER_EPOCH), (2, ErrorCode.UNKNOWN_LEADER_EPOCH)):
        with pytest.raises(ApiError) as refused:
            broker.check_leader_epoch(epoch)
        assert refused.value.error_code == code


def test_clients_are_told_the_address_that_they_have_reached(running):
    """Without an advertised listener every client may come by another way, and stays on it."""
    for local in (("127.0.0.1", 1234), ("::1", 5678)):
        connection = running.broker.connect("10.0.0.7", local, running.machine.now)
        assert running.broker.advertised_listener(connection) == local


def test_deadlines(client, running):
    """The next deadline is the earliest of all parts, and handling it moves it on."""
    client.create_topic("t")
    before = running.broker.next_deadline_ms()
    now_ms = running.machine.now.monotonic_ms
    client.send(FETCH, 11, client.fetch_request("t", max_wait_ms=7))
    assert running.broker.next_deadline_ms() == now_ms + 7
    running.advance(7)
    assert len(list(client.received())) == 1
    assert running.broker.next_deadline_ms() == before


def test_the_cluster_keeps_its_id(boot):
    """The cluster id is made once, told when it is durable, and the same after every restart."""
    ids = set()
    for _ in range(3):
        response = boot().connect().call(METADATA, 12, MetadataRequest(topics=[]))
        ids.add(response.cluster_id)
    assert len(ids) == 1
    assert len(ids.pop()) == 22


def test_shutdown(client, running, machine, boot):
    """Waiting readers are answered, later ones do not wait, everything is saved, and then the storage is free."""
    client.create_topic("t")
    client.produce("t", b"a")
    client.send(FETCH, 11, client.fetch_request("t", 1, max_wait_ms=10_000))
    running.broker.begin_shutdown(machine.now)
    assert len(list(client.received())) == 1
    client.send(FETCH, 11, client.fetch_request("t", 1, max_wait_ms=10_000))
    assert len(list(client.received())) == 1
    assert not running.broker.is_idle
    running.settle()
    assert running.broker.is_idle
    running.broker.close()
    assert list(machine.wal.read(0, 0)) == []
    assert boot().connect().fetch("t").high_watermark == 1


def test_shutdown_waits_for_reads(boot, machine, values):
    """A read of L2 that is under way is finished and answered before the broker is idle."""
    running = boot(tail_max_bytes=2000, checkpoint_bytes=500)
    client = running.connect()
    client.create_topic("t")
    for _ in range(20):
        client.produce("t", bytes(400))
    running.advance(running.broker.config.checkpoint_interval_ms)
    client.send(FETCH, 11, client.fetch_request("t", 0, max_wait_ms=10_000))
    (read,) = running.take_work()
    running.broker.begin_shutdown(machine.now)
    running.settle()
    assert not running.broker.is_idle
    running.run(read)
    assert running.broker.is_idle
    (response,) = client.received()
    assert values(response.responses[0].partitions[0].records)


def test_two_answers_that_wait_for_one_change(client, running):
    """An answer that rests on a change waits for it, also if another request has made it."""
    other = running.connect()
    for one in (client, other):
        one.send(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="g"))
    assert list(client.received()) == list(other.received()) == []
    running.settle()
    assert len(list(client.received())) == len(list(other.received())) == 1


def test_open_gives_a_broker(machine):
    """The one way to make one; what it needs comes in as arguments."""
    broker = Broker.open(
        machine.boot().broker.config,
        machine.wal,
        machine.checkpoints,
        now=machine.now,
        random_bytes=machine.random_bytes,
    )
    assert broker.is_idle
    assert broker.next_deadline_ms() is not None
