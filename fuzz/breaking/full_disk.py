"""A disk that is really full, too many open files, a file system that becomes read-only: `make full-disk`.

A server process on a tmpfs of 16 MiB, with real clients. Linux refuses to make a tmpfs read-only while a process may
write to it; so that one is read-only at a start, and what becomes so under a running server is the file system of
`fuzz.breaking.lying_disk`. Where something is missing it says so, and ends with status 77.

    python -m fuzz.breaking.full_disk
"""

from __future__ import annotations

import argparse
import errno
import functools
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from fuzz.breaking.clients import COMMON, PARTITIONS, TOPIC, create_topic, read_all
from fuzz.breaking.mounts import MountedDisk, cannot, enter_own_mounts, mount, what_fuse_lacks
from fuzz.breaking.process import ServerProcess, free_port

from dotkafka.testing.history import Commit, Committed, Healed, History, Mark, Send, check

if TYPE_CHECKING:
    from collections.abc import Callable

DISK_BYTES = 16 * 1024 * 1024
BALLAST_BYTES = 6 * 1024 * 1024
FEW_FILES = 3
TIMEOUT_S = 30.0
PADDING = " " + "x" * 4000
PARTS = [(TOPIC, number) for number in range(PARTITIONS)]
COMMITTED = [TopicPartition(TOPIC, number, 1 + number) for number in range(PARTITIONS)]


class Wrong(Exception):  # noqa: N818 (it is what was found)
    """What was found."""


class Scene:
    """A server on a directory, a producer, and what they told."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.history = History(now=time.monotonic_ns)
        self.data = data
        self.refusals: set[int] = set()
        """The codes with which records were refused for good."""
        self._folder = folder
        self._port = free_port()
        self._sent = 0
        self.bootstrap = f"127.0.0.1:{self._port}"
        self.start()
        create_topic(self.bootstrap)
        self._consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "group", **COMMON})
        # Without retries librdkafka tells what the broker answers; after a timeout it connects anew.
        self._producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": False,
                "max.in.flight": 1,
                "retries": 0,
                "linger.ms": 1,
                "request.timeout.ms": 1000,
                "socket.timeout.ms": 1000,
                "message.timeout.ms": 5000,
                **COMMON,
            }
        )

    def start(self) -> None:
        """Start a server."""
        self.server = ServerProcess(self._port, self.data, self._folder / "server.log")
        if not self.server.wait_until_listening():
            raise Wrong(f"the server does not start; {self.server}")

    def send(self, count: int) -> int:
        """Send records, and wait for the answers; return how many were acknowledged."""
        acknowledged: list[Send] = []
        for _ in range(count):
            self._sent += 1
            sent = self.history.begin(Send("producer", TOPIC, self._sent % PARTITIONS, str(self._sent)))
            answer = functools.partial(self._on_delivery, sent, acknowledged)
            self._producer.produce(TOPIC, sent.value + PADDING, partition=sent.partition, on_delivery=answer)
        if self._producer.flush(TIMEOUT_S):
            raise Wrong("records are neither acknowledged nor refused")
        return len(acknowledged)

    def _on_delivery(self, sent: Send, acknowledged: list[Send], error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.refusals.add(error.code())
            self.history.unknown(sent)
            return
        self.history.ok(sent, offset=message.offset())
        acknowledged.append(sent)

    def commit(self) -> None:
        """Commit offsets."""
        committed = self.history.begin(
            Commit("consumer", "group", [(p.topic, p.partition, p.offset) for p in COMMITTED])
        )
        self._consumer.commit(offsets=COMMITTED, asynchronous=False)
        self.history.ok(committed)

    def check_reads(self) -> int:
        """Read every record; return how many there are."""
        return len(read_all(self.bootstrap, self.history, PARTS))

    def check_committed(self) -> None:
        """Fetch what is committed."""
        asked = self.history.begin(Committed("consumer", "group"))
        parts = self._consumer.committed([TopicPartition(*part) for part in PARTS], TIMEOUT_S)
        self.history.ok(asked, offsets=[(part.topic, part.partition, part.offset) for part in parts])

    def check_refused(self, why: str) -> None:
        """Send until records are refused, and see that it is with KAFKA_STORAGE_ERROR, and that reads go on."""
        self.history.add(Mark("test", why))
        self.wait_until(lambda: self.send(50) == 0, f"no records are refused: {why}")
        # The first ones may wait in vain, and those behind them on their connection; whoever comes anew is told.
        self.wait_until(
            self.is_refused, f"records are not refused with KAFKA_STORAGE_ERROR, but {self.refusals}: {why}"
        )
        found = self.check_reads()
        print(f"{why}: writes are refused with KAFKA_STORAGE_ERROR, {found} records can be read", flush=True)

    def is_refused(self) -> bool:
        """Whether a record is refused as Kafka does it when a disk fails."""
        self.refusals.clear()
        return self.send(1) == 0 and self.refusals == {KafkaError.KAFKA_STORAGE_ERROR}

    def check_accepted(self, why: str) -> None:
        """See that records are acknowledged again."""
        self.history.add(Mark("test", why))
        began = time.monotonic()
        self.wait_until(lambda: self.send(1) == 1, f"writes are still refused: {why}")
        print(f"{why}: writes are accepted after {time.monotonic() - began:.1f} s", flush=True)

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Try again until it holds.

        Raises:
            Wrong: it does not.
        """
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise Wrong(f"{otherwise}; {self.server}")

    def restart(self) -> None:
        """Kill the server, and start it again."""
        self.server.kill()
        self.start()

    def judge(self) -> None:
        """Restart once more, read everything, and let the checker judge."""
        self.restart()
        self.history.add(Healed("test"))
        self.send(1)
        self.check_committed()
        self.check_reads()
        if findings := check(self.history):
            raise Wrong("\n".join(map(str, findings[:10])))

    def end(self) -> None:
        """End the server."""
        self._consumer.close()
        self.server.kill()


def fill_up(scene: Scene) -> None:
    """The disk is full: reads go on; with space, service returns by itself."""
    ballast = scene.data / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    scene.send(100)
    scene.commit()
    scene.check_refused("the disk is full")
    scene.check_committed()
    ballast.unlink()
    scene.check_accepted("there is space again")
    scene.judge()


def open_too_many_files(scene: Scene) -> None:
    """No file can be opened: the same."""
    scene.send(100)
    scene.commit()
    scene.check_reads()
    # What is open stays open: clients are served, but the log needs a file for each segment.
    usual = resource.prlimit(scene.server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(scene.server.process.pid, resource.RLIMIT_NOFILE, (FEW_FILES, usual[1]))
    scene.wait_until(lambda: scene.send(50) < 50, "no file is missing")
    resource.prlimit(scene.server.process.pid, resource.RLIMIT_NOFILE, usual)
    scene.check_accepted("files can be opened again")
    scene.judge()


def start_read_only(scene: Scene, remount: Callable[[str], None]) -> None:
    """A start on a read-only file system is refused, and says so; when it can be written, nothing is missing."""
    scene.send(100)
    scene.commit()
    scene.server.kill()
    remount("ro")
    try:
        scene.start()
    except Wrong:
        if "ead-only" not in str(scene.server) and "readonly" not in str(scene.server):
            raise
    else:
        raise Wrong("a server starts on a read-only file system")
    remount("rw")
    scene.start()
    scene.check_accepted("the file system can be written again")
    scene.judge()


def become_read_only(scene: Scene, disk: MountedDisk) -> None:
    """The file system becomes read-only under a running server: that is final, and a restart brings it back."""
    scene.send(100)
    scene.commit()
    disk.fail(errno.EROFS)
    scene.check_refused("the file system has become read-only")
    disk.fail(0)
    if scene.send(10):
        raise Wrong("a failure that is final was none")
    scene.restart()
    scene.check_accepted("restarted on a file system that can be written")
    scene.judge()


def on_tmpfs(folder: Path, name: str, act: Callable[[Scene], None]) -> None:
    """Act on a small tmpfs."""
    place = folder / name
    place.mkdir()
    if complaint := mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(place)):
        cannot(complaint)
    (place / "data").mkdir()
    run(Scene(folder, place / "data"), act)


def on_lying_disk(folder: Path) -> None:
    """Let a file system become read-only."""
    disk = MountedDisk(folder / "disk")
    try:
        run(Scene(folder, folder / "disk" / "data"), functools.partial(become_read_only, disk=disk))
    finally:
        disk.unmount()


def run(scene: Scene, act: Callable[[Scene], None]) -> None:
    """Act, and end the server whatever comes of it."""
    try:
        act(scene)
    finally:
        scene.end()


def main() -> int:
    """Run the command line; return 1 if something was found."""
    argparse.ArgumentParser(description="Fill up a disk under a broker, and more.").parse_args()
    enter_own_mounts("fuzz.breaking.full_disk")
    folder = Path(tempfile.mkdtemp(prefix="dotkafka-full-disk-"))

    def remount(how: str) -> None:
        if complaint := mount("-o", f"remount,{how}", str(folder / "read-only")):
            cannot(complaint)

    try:
        on_tmpfs(folder, "full", fill_up)
        on_tmpfs(folder, "files", open_too_many_files)
        on_tmpfs(folder, "read-only", functools.partial(start_read_only, remount=remount))
        if lacking := what_fuse_lacks():
            print(f"a file system that becomes read-only: not tried here: {lacking}")
        else:
            on_lying_disk(folder)
    except (Wrong, KafkaException) as error:
        print(error)
        return 1
    print("nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
