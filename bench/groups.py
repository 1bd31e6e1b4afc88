"""What consumer groups cost: rebalances of large ones, heartbeats, memory.

    python bench/groups.py [--members 100] [--rounds 10] [--only rebalance heartbeats memory]

- rebalance, classic: all members send JoinGroup at once, with another subscription than before, and the leader assigns;
  until each has its assignment from SyncGroup. librdkafka's mock cluster takes no part: it answers the SyncGroup
  of a follower with a null assignment, which Kafka's protocol does not know.
- rebalance, consumer protocol: a member joins a group that is at rest, and later leaves it; until all are at the new
  epoch and every partition has its owner. Members give up at once what they are asked for, and all send their next
  heartbeat when all have been answered: how many such rounds it took is given, since real members make one of them in
  `group.consumer.heartbeat.interval.ms`, or at once when there is something to give up.
- heartbeats: of members at rest, 10 in each group; by the coordinator alone, and through the sockets of a server on
  disk, one request at a time on each of 16 connections, by the processor time of its process too.
- memory: of the coordinator alone with 10,000 members in 1,000 groups that have an assignment, by `tracemalloc`.

Members are simulated by the codec: one process with a connection for each, so that no client's timers are in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dotkafka.clock import Instant
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.metadata.image import MetadataImage, TopicImage
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    ConsumerGroupHeartbeatRequest,
    TopicPartitions,
)
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.schema import Api

TOPIC = "groups"
MEMBERS_PER_GROUP = 10
MEMBER_ID_REQUIRED = 79
SERVE = [sys.executable, "-m", "dotkafka", "serve", "--listen", "127.0.0.1:0"]


class Client:
    """A connection that sends one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, bootstrap: str) -> Client:
        """Connect to a broker."""
        host, _, port = bootstrap.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def call(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        """Send a request, and return the response."""
        frame = encode_request_header(RequestHeader(api.key, version, 1, "bench"))
        frame += api.encode_request(version, request)
        self._writer.write(len(frame).to_bytes(4, "big") + frame)
        response = await self._reader.readexactly(int.from_bytes(await self._reader.readexactly(4), "big"))
        _, position = decode_response_header(api.key, version, response)
        return api.decode_response(version, response, position)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class ClassicMember:
    """A member that joins as soon as it is told to."""

    def __init__(self, client: Client, group_id: str) -> None:
        self._client = client
        self._group_id = group_id
        self._member_id = ""
        self._generation = -1

    async def join(self, subscription: bytes) -> None:
        """Join with a subscription, which need not mean anything; return when there is an assignment."""
        while True:
            request = JoinGroupRequest(
                group_id=self._group_id,
                session_timeout_ms=30_000,
                rebalance_timeout_ms=30_000,
                member_id=self._member_id,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol("range", subscription)],
            )
            joined = await self._client.call(JOIN_GROUP, 5, request)
            self._member_id, self._generation = joined.member_id, joined.generation_id
            if joined.error_code == MEMBER_ID_REQUIRED:
                continue
            assert not joined.error_code, joined
            assignments = [SyncGroupRequestAssignment(member.member_id, b"assigned") for member in joined.members]
            sync = SyncGroupRequest(self._group_id, self._generation, self._member_id, assignments=assignments)
            synced = await self._client.call(SYNC_GROUP, 3, sync)
            if synced.assignment == b"assigned":
                return

    async def heartbeat(self) -> None:
        """Say that it is there."""
        request = HeartbeatRequest(self._group_id, self._generation, self._member_id)
        response = await self._client.call(HEARTBEAT, 3, request)
        assert not response.error_code, response


class ConsumerMember:
    """A member of the consumer protocol, which gives up partitions at once."""

    def __init__(self, client: Client, group_id: str) -> None:
        self._client = client
        self._group_id = group_id
        self._member_id = str(uuid4())
        self._unsaid: list[TopicPartitions] | None = []
        self.epoch = 0
        self.partitions: frozenset[int] = frozenset()

    async def heartbeat(self) -> None:
        """Join, say what has become of the last assignment, or just that it is there."""
        first = self.epoch == 0
        request = ConsumerGroupHeartbeatRequest(
            group_id=self._group_id,
            member_id=self._member_id,
            member_epoch=self.epoch,
            rebalance_timeout_ms=30_000 if first else -1,
            subscribed_topic_names=[TOPIC] if first else None,
            topic_partitions=self._unsaid,
        )
        response = await self._client.call(CONSUMER_GROUP_HEARTBEAT, 1, request)
        assert not response.error_code, response
        self.epoch, self._unsaid = response.member_epoch, None
        if response.assignment is not None:
            self._unsaid = list(response.assignment.topic_partitions)
            self.partitions = frozenset(index for topic in self._unsaid for index in topic.partitions)

    async def leave(self) -> None:
        """Leave the group."""
        self.epoch = -1
        await self.heartbeat()
        self.epoch, self._unsaid, self.partitions = 0, [], frozenset()


@contextmanager
def running(command: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a broker, wait until it listens, and stop it at the end."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip(), process
    finally:
        process.kill()
        process.wait()


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Processor time that a process has taken, or NaN where /proc does not tell."""
    try:
        threads = Path(f"/proc/{process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except OSError:
        return float("nan")


# -- rebalances --------------------------------------------------------------------------------------------------------


async def classic_rebalances(bootstrap: str, count: int, rounds: int) -> list[float]:
    """Return the milliseconds of some rebalances of a classic group."""
    members = [ClassicMember(await Client.connect(bootstrap), "classic") for _ in range(count)]
    times = []
    for number in range(rounds + 1):
        begin = time.perf_counter()
        async with asyncio.timeout(120):
            await asyncio.gather(*(member.join(b"%d" % number) for member in members))
        times.append((time.perf_counter() - begin) * 1e3)
    return times[1:]


async def consumer_rebalances(bootstrap: str, count: int, rounds: int) -> tuple[list[float], list[int]]:
    """Return the milliseconds of some rebalances of a consumer group, and the rounds of heartbeats each took."""
    partitions = 2 * count
    client = await Client.connect(bootstrap)
    topic = CreatableTopic(name=TOPIC, num_partitions=partitions, replication_factor=1)
    await client.call(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic], timeout_ms=60_000))
    members = [ConsumerMember(await Client.connect(bootstrap), "consumer") for _ in range(count)]

    async def settle(present: list[ConsumerMember]) -> int:
        for beats in range(1, 100):
            await asyncio.gather(*(member.heartbeat() for member in present))
            owned = sum(len(member.partitions) for member in present)
            if owned == partitions and len({member.epoch for member in present}) == 1:
                return beats
        raise SystemExit("the consumer group does not come to rest")

    await settle(members)
    times, beats = [], []
    for number in range(2 * rounds):
        if number % 2:
            present = members
        else:
            await members[-1].leave()
            present = members[:-1]
        begin = time.perf_counter()
        beats.append(await settle(present))
        times.append((time.perf_counter() - begin) * 1e3)
    return times, beats


def rebalances(count: int, rounds: int) -> None:
    """Print how long rebalances take."""
    print(f"| a rebalance of {count} members, milliseconds | min | median | max |\n|---|---:|---:|---:|")

    def report(what: str, times: list[float]) -> None:
        print(f"| {what} | {min(times):.0f} | {statistics.median(times):.0f} | {max(times):.0f} |", flush=True)

    with tempfile.TemporaryDirectory() as folder, running([*SERVE, "--data", folder]) as (bootstrap, _):
        report("classic", asyncio.run(classic_rebalances(bootstrap, count, rounds)))
        times, beats = asyncio.run(consumer_rebalances(bootstrap, count, rounds))
        report(f"consumer protocol, in {max(beats)} rounds of heartbeats at most", times)


# -- the coordinator alone ---------------------------------------------------------------------------------------------


class Answers(list[Any]):
    """Where one member's answers go."""


class Alone:
    """A coordinator without a broker, and groups at rest in it."""

    def __init__(self) -> None:
        image = TopicImage(TOPIC, os.urandom(16), MEMBERS_PER_GROUP, {})
        cluster = MetadataImage(topics_by_name={TOPIC: image}, topics_by_id={image.topic_id: image})
        self._now = Instant(0, 1_700_000_000_000)
        self._coordinator = GroupCoordinator(GroupConfig(), lambda: str(uuid4()), lambda: cluster)
        self._coordinator.finish_replay(self._now)

    def ask(self, version: int, requests: list[Any]) -> list[Any]:
        """Send requests, let time pass if answers wait for it, and return all answers."""
        answers = [Answers() for _ in requests]
        context = RequestContext(version, "bench", "/127.0.0.1")
        for request, reply_to in zip(requests, answers, strict=True):
            for reply in self._coordinator.handle(request, context, reply_to, self._now).replies:
                reply.reply_to.append(reply.response)  # type: ignore[attr-defined]
        while not all(answers):
            self._now = self._now._replace(monotonic_ms=self._now.monotonic_ms + 20)
            for reply in self._coordinator.handle_timeouts(self._now).replies:
                reply.reply_to.append(reply.response)  # type: ignore[attr-defined]
        return [answer for (answer,) in answers]

    def classic_group(self, group_id: str) -> list[HeartbeatRequest]:
        """Make a group with an assignment, and return the heartbeats of its members."""
        join = JoinGroupRequest(
            group_id=group_id,
            session_timeout_ms=45_000,
            rebalance_timeout_ms=300_000,
            member_id="",
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name, os.urandom(60)) for name in ("range", "cooperative-sticky")],
        )
        joined = self.ask(3, [join] * MEMBERS_PER_GROUP)
        assignments = [
            SyncGroupRequestAssignment(member.member_id, os.urandom(60))
            for answer in joined
            for member in answer.members
        ]
        syncs = [
            SyncGroupRequest(group_id, one.generation_id, one.member_id, assignments=assignments if one.members else ())
            for one in joined
        ]
        assert not any(answer.error_code for answer in self.ask(2, syncs))
        return [HeartbeatRequest(group_id, one.generation_id, one.member_id) for one in joined]

    def consumer_group(self, group_id: str) -> list[ConsumerGroupHeartbeatRequest]:
        """Make a group at rest, and return the heartbeats of its members."""
        member_ids = [str(uuid4()) for _ in range(MEMBERS_PER_GROUP)]
        joins = [
            ConsumerGroupHeartbeatRequest(group_id, member_id, 0, None, None, 300_000, [TOPIC], topic_partitions=[])
            for member_id in member_ids
        ]
        answers = self.ask(1, joins)
        owned: dict[str, Any] = {}
        while True:
            for member_id, answer in zip(member_ids, answers, strict=True):
                assert not answer.error_code, answer
                if answer.assignment is not None:
                    owned[member_id] = answer.assignment.topic_partitions
            beats = [
                ConsumerGroupHeartbeatRequest(group_id, member_id, answer.member_epoch)
                for member_id, answer in zip(member_ids, answers, strict=True)
            ]
            if len({beat.member_epoch for beat in beats}) == 1 and all(owned.values()) and len(owned) == len(beats):
                return beats
            acks = [
                ConsumerGroupHeartbeatRequest(
                    group_id, beat.member_id, beat.member_epoch, topic_partitions=owned.get(beat.member_id)
                )
                for beat in beats
            ]
            answers = self.ask(1, acks)


def heartbeats_alone(group_count: int) -> None:
    """Print how many heartbeats the coordinator alone answers in a second of the processor."""
    for what in ("classic", "consumer protocol"):
        alone = Alone()
        make = alone.classic_group if what == "classic" else alone.consumer_group
        requests = [beat for number in range(group_count) for beat in make(f"group-{number}")]
        begin = time.process_time()
        answers = alone.ask(1, requests)
        took = time.process_time() - begin
        assert not any(answer.error_code for answer in answers)
        print(f"| {what}, coordinator alone | {len(requests) / took:,.0f} |", flush=True)


def memory(group_count: int) -> None:
    """Print what the members take in memory."""
    print("| coordinator memory | members | MB | bytes for each member |\n|---|---:|---:|---:|")
    for what in ("classic", "consumer protocol"):
        gc.collect()
        tracemalloc.start()
        alone = Alone()
        make = alone.classic_group if what == "classic" else alone.consumer_group
        for number in range(group_count):
            make(f"group-{number}")
        gc.collect()
        taken, count = tracemalloc.get_traced_memory()[0], group_count * MEMBERS_PER_GROUP
        tracemalloc.stop()
        print(f"| {what} | {count:,} | {taken / 1e6:.1f} | {taken / count:,.0f} |", flush=True)


# -- heartbeats through sockets ----------------------------------------------------------------------------------------


async def beat(bootstrap: str, kind: type[ClassicMember | ConsumerMember], count: int, seconds: float) -> int:
    """Send heartbeats on some connections, and return how many were answered."""
    members = [kind(await Client.connect(bootstrap), f"{kind.__name__}-{number}") for number in range(count)]
    for member in members:
        if isinstance(member, ClassicMember):
            await member.join(b"")
        else:
            await member.heartbeat()
            await member.heartbeat()
    end = time.perf_counter() + seconds
    answered = 0

    async def go(member: ClassicMember | ConsumerMember) -> None:
        nonlocal answered
        while time.perf_counter() < end:
            await member.heartbeat()
            answered += 1

    await asyncio.gather(*map(go, members))
    return answered


def heartbeats(group_count: int, seconds: float) -> None:
    """Print how many heartbeats are answered in a second."""
    print("| heartbeats in a second of the broker's processor | |\n|---|---:|")
    heartbeats_alone(group_count)
    for kind, what in ((ClassicMember, "classic"), (ConsumerMember, "consumer protocol")):
        with tempfile.TemporaryDirectory() as folder, running([*SERVE, "--data", folder]) as (bootstrap, process):
            before = cpu_seconds(process)
            answered = asyncio.run(beat(bootstrap, kind, 16, seconds))
            took = cpu_seconds(process) - before
        print(f"| {what}, through sockets | {answered / took:,.0f} |", flush=True)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100, help="of the group that rebalances (default 100)")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is measured (default 10)")
    parser.add_argument("--groups", type=int, default=1000, help="of ten members each (default 1000)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long heartbeats are sent (default 3)")
    choices = ("rebalance", "heartbeats", "memory")
    parser.add_argument("--only", nargs="+", choices=choices, default=choices)
    options = parser.parse_args()
    if "rebalance" in options.only:
        rebalances(options.members, options.rounds)
    if "heartbeats" in options.only:
        heartbeats(options.groups, options.seconds)
    if "memory" in options.only:
        memory(options.groups)


if __name__ == "__main__":
    main()
