"""What every client library is for: produce, consume in a group, commit, go on; with every compression it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Record

LIBRARIES = ["aiokafka", "confluent_kafka", "franz_go", "java", "kafka_python"]
COMPRESSIONS = ["gzip", "snappy", "lz4", "zstd"]
ASSIGNORS = {
    "aiokafka": ["range", "roundrobin", "sticky"],
    "confluent_kafka": ["range", "roundrobin", "cooperative-sticky"],
    "franz_go": ["range", "roundrobin", "sticky", "cooperative-sticky"],
    "java": ["range", "cooperative-sticky"],
    "kafka_python": ["range", "roundrobin", "sticky"],
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("auto_commit", [True, False], ids=["auto-commit", "commit-by-hand"])
def test_second_run_goes_on_where_the_first_stopped(
    client: Callable[[str], Client],
    address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    library: str,
    auto_commit: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """An idempotent producer's records are read once; committed offsets say where to go on."""
    program = client(library)
    topic, group = create_topic(address), unique("group")
    for prefix in ("first", "second"):
        records = make_records(80, prefix=prefix)
        program.run("produce", address, topic=topic, batches=[records[:1], records[1:]])
        consume = {"topic": topic, "group": group, "auto_commit": auto_commit, "stop_after": len(records)}
        reader = program.start("member", address, **consume)
        reader.finish()
        assert_all_once_in_order(records, reader.of("record"))


# kafka-python wants python-snappy for snappy, which is a C extension nobody ships any more.
@pytest.mark.parametrize(
    ("library", "compression"),
    [(name, one) for name in LIBRARIES for one in COMPRESSIONS if (name, one) != ("kafka_python", "snappy")],
)
def test_compression(
    client: Callable[[str], Client],
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    library: str,
    compression: str,
) -> None:
    """Compressed batches come back as they went, headers included, also through another library."""
    program = client(library)
    topic, records = create_topic(plain_address), make_records(300)
    batches = [records[:100], records[100:]]
    program.run("produce", plain_address, topic=topic, batches=batches, compression=compression)
    for consumer in dict.fromkeys((library, "confluent_kafka")):
        reader = client(consumer).start(
            "member", plain_address, topic=topic, group=unique("group"), auto_commit=True, stop_after=len(records)
        )
        reader.finish()
        assert_all_once_in_order(records, reader.of("record"))


@pytest.mark.parametrize(("library", "assignor"), [(name, one) for name in LIBRARIES for one in ASSIGNORS[name]])
def test_assignor(
    client: Callable[[str], Client],
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    library: str,
    assignor: str,
) -> None:
    """Two members agree on an assignor and share 6 partitions by 3; the one that stays gets the rest back."""
    program = client(library)
    consume = {"topic": create_topic(plain_address, 6), "group": unique("group"), "assignor": assignor}

    def latest() -> list[list[int]]:
        return [member.of("assigned")[-1]["partitions"] if member.of("assigned") else [] for member in members]

    members = [
        program.start("member", plain_address, **consume, auto_commit=False, heartbeat_interval_ms=300)
        for _ in range(2)
    ]
    members[1].wait_until(lambda: [len(own) for own in latest()] == [3, 3] and set().union(*latest()) == set(range(6)))
    members.pop().stop()
    members[0].wait_until(lambda: latest() == [[0, 1, 2, 3, 4, 5]])
    members[0].stop()
