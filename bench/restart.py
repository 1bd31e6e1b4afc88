"""How long a broker takes from the start of its process until it has served a client.

    python bench/restart.py [--rounds 3] [--partitions 1 100 10000] [--profile DIR]

For each number of partitions a data directory is made, and then a `dotkafka serve` process is started on it, round
after round. Measured is the time from starting the process to

- listening: what the process says once its data are recovered; starting Python and importing is counted in, and given
  on a line of its own (an empty data directory);
- served: a Fetch and then a Produce (acks=all) on the last partition have been answered.

The directories:

- clean: every partition has records, all checkpointed; the broker was stopped.
- kill -9: the same, and then the write-ahead log has as much that no checkpoint covers as the budget of the defaults
  allows (`tail.max.bytes`, 64 MiB): 1 KiB records in batches of 16 KiB, over all partitions. The broker was killed.

Replay is timed alone, in a process of its own: `Broker.open` of that directory with and without the tail; the
difference is what the tail costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dotkafka
from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import SystemClock
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.server.storage import directory_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.schema import Api

TOPIC = "restart"
RECORDS_PER_BATCH = 16
TAIL_BYTES = 62 * 1024 * 1024
"""A little below the budget, at which Produce would wait for a checkpoint."""
NO_CHECKPOINT = BrokerConfig(checkpoint_bytes=1 << 40, checkpoint_interval_ms=1 << 40)
BATCH = bytes(encode_batch([Record(0, 1_700_000_000_000, None, os.urandom(1024)) for _ in range(RECORDS_PER_BATCH)]))


def produce_request(partitions: range) -> ProduceRequest:
    """One batch for each of some partitions."""
    return ProduceRequest(
        acks=-1,
        timeout_ms=60_000,
        topic_data=[
            TopicProduceData(
                name=TOPIC,
                partition_data=[PartitionProduceData(index=index, records=BATCH) for index in partitions],
            )
        ],
    )


def requests(partition_count: int, total_bytes: int) -> Iterator[ProduceRequest]:
    """Yield requests that fill partitions round robin, every one of them at least once."""
    count = max(partition_count, total_bytes // len(BATCH))
    step = min(partition_count, 50)
    for begin in range(0, count, step):
        first = begin % partition_count
        yield produce_request(range(first, min(first + step, partition_count)))


async def make_clean(folder: str, partition_count: int) -> None:
    """Make a data directory that was stopped cleanly."""
    async with dotkafka.serve(data=folder) as server:
        client = server.connect_locally()
        wanted = CreatableTopic(name=TOPIC, num_partitions=partition_count, replication_factor=1)
        await client.request(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[wanted], timeout_ms=60_000))
        for request in requests(partition_count, 0):
            await client.request(PRODUCE, 9, request)


async def add_tail(folder: str, partition_count: int) -> None:
    """Fill the write-ahead log with what no checkpoint covers, and die."""
    server = dotkafka.serve(data=folder, config=NO_CHECKPOINT)
    await server.start()
    client = server.connect_locally()
    sent = 0
    for request in requests(partition_count, TAIL_BYTES):
        if sent >= TAIL_BYTES:
            break
        await client.request(PRODUCE, 9, request)
        sent += len(BATCH) * len(request.topic_data[0].partition_data)
    os.kill(os.getpid(), signal.SIGKILL)


def open_broker(folder: str) -> None:
    """Print how long `Broker.open` takes, and how much it replays."""
    wal, checkpoints = directory_storage(folder)
    begin = time.perf_counter()
    broker = Broker.open(BrokerConfig(), wal, checkpoints, now=SystemClock().now(), random_bytes=os.urandom)
    took = time.perf_counter() - begin
    print(json.dumps([took, sum(log.uncheckpointed_bytes for log in broker.shard.logs.values())]))
    os._exit(0)


def ask(connection: socket.socket, api: Api[Any, Any], version: int, request: Any) -> Any:
    """Send a request, and return the response."""
    frame = encode_request_header(RequestHeader(api.key, version, 1, "bench")) + api.encode_request(version, request)
    connection.sendall(len(frame).to_bytes(4, "big") + frame)
    with connection.makefile("rb") as stream:
        response = stream.read(int.from_bytes(stream.read(4), "big"))
    _, position = decode_response_header(api.key, version, response)
    return api.decode_response(version, response, position)


def start_server(folder: str, partition_count: int) -> tuple[float, float]:
    """Start a server on a directory; return the seconds until it listens, and until it has served."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dotkafka", "serve", "--data", folder, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("listening on ").strip()
        listening = time.perf_counter() - begin
        if not partition_count:
            return listening, listening
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            last = partition_count - 1
            wanted = FetchPartition(partition=last, fetch_offset=0, partition_max_bytes=1 << 20)
            fetch = FetchRequest(
                max_wait_ms=100,
                min_bytes=1,
                max_bytes=1 << 20,
                session_epoch=-1,
                topics=[FetchTopic(topic=TOPIC, partitions=[wanted])],
            )
            fetched = ask(connection, FETCH, 12, fetch).responses[0].partitions[0]
            produced = ask(connection, PRODUCE, 9, produce_request(range(last, last + 1)))
            served = time.perf_counter() - begin
            assert fetched.records, fetched
            assert not produced.responses[0].partition_responses[0].error_code, produced
        return listening, served
    finally:
        process.kill()
        process.wait()


def run_self(*arguments: str) -> str:
    """Run one step in a process of its own, and return what it prints."""
    return subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=False).stdout


def on_copy(folder: str, measure: Any) -> Any:
    """Measure something on a copy of a directory: a start changes it."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, f"{copy}/data")
        os.sync()
        return measure(f"{copy}/data")


def report(what: str, folder: str, partition_count: int, rounds: int) -> float:
    """Print a table row, and return how long `Broker.open` takes."""
    starts = [on_copy(folder, lambda copy: start_server(copy, partition_count)) for _ in range(rounds)]
    opens = [json.loads(on_copy(folder, lambda copy: run_self("--open", copy))) for _ in range(rounds)]
    listening, served = (statistics.median(times) * 1e3 for times in zip(*starts, strict=True))
    opened: float = statistics.median(took for took, _ in opens)
    replayed = opens[0][1]
    print(f"| {what} | {listening:,.0f} | {served:,.0f} | {opened * 1e3:,.0f} | {replayed / 1e6:,.1f} |", flush=True)
    return opened


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 100, 10_000])
    parser.add_argument("--keep", metavar="DIR", help="leave the data directories there")
    parser.add_argument("--open", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--clean", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--tail", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        open_broker(options.open)
    elif options.clean:
        asyncio.run(make_clean(options.clean[0], int(options.clean[1])))
    elif options.tail:
        asyncio.run(add_tail(options.tail[0], int(options.tail[1])))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            measure(Path(options.keep or scratch), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Make the directories, and print a row for each."""
    print(
        "| medians | listening, ms | served, ms | of it `Broker.open`, ms | replayed, MB |\n|---|---:|---:|---:|---:|"
    )
    (folder / "empty").mkdir(parents=True)
    report("new directory", str(folder / "empty"), 0, options.rounds)
    rates = []
    for count in options.partitions:
        data = folder / str(count)
        run_self("--clean", str(data), str(count))
        before = report(f"{count:,} partitions, clean", str(data), count, options.rounds)
        run_self("--tail", str(data), str(count))
        replayed = json.loads(on_copy(str(data), lambda copy: run_self("--open", copy)))[1]
        after = report(f"{count:,} partitions, kill -9", str(data), count, options.rounds)
        rates.append(f"{count:,} partitions: {replayed / 1e6 / (after - before):,.0f} MB/s")
    print("\nReplay alone: " + "; ".join(rates))


if __name__ == "__main__":
    main()
