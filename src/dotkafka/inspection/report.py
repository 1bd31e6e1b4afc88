"""What a check has found, for people and, as plain values, for programs. Offsets end before their second number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from dotkafka.protocol.primitives import uuid_to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.inspection.problems import Problem


@attrs.define
class Content:
    """Batches of one partition in one of the tiers."""

    batches: int = 0
    records: int = 0
    bytes: int = 0

    def add(self, records: int, size_bytes: int) -> None:
        """Count a batch."""
        self.batches += 1
        self.records += records
        self.bytes += size_bytes


@attrs.define
class PartitionReport:
    """One partition."""

    log_start_offset: int
    high_watermark: int
    """After what `dotkafka serve` would replay; as far as could be read, if it does not start."""
    checkpoint: Content = attrs.field(factory=Content)
    """In L2."""
    wal: Content = attrs.field(factory=Content)
    """In L1, and not in L2 too."""
    first_timestamp_ms: int = -1
    """Of the first record; -1 if there is none."""
    last_timestamp_ms: int = -1
    producers: int = 0
    """Idempotent producers that are remembered."""


@attrs.define
class TopicReport:
    """One topic. Without a name if the metadata do not have it."""

    name: str | None
    topic_id: bytes
    cleanup_policy: str
    partitions: dict[int, PartitionReport]


@attrs.define
class DirectoryReport:
    """A data directory: what it holds and what is wrong with it."""

    directory: str
    checkpoint_version: int | None = None
    wal_version: int | None = None
    cluster_id: str | None = None
    epoch: int = -1
    """Highest leader epoch seen."""
    next_sequence: int | None = None
    """The entry of L1 that the checkpoint does not cover."""
    wal_first_sequence: int | None = None
    wal_next_sequence: int = 0
    wal_segments: int = 0
    wal_bytes: int = 0
    checkpoint_bytes: int = 0
    topics: list[TopicReport] = attrs.field(factory=list)
    groups: dict[str, int] | None = None
    """How many offsets each has committed; None if that cannot be known."""
    notes: list[str] = attrs.field(factory=list)
    """What is harmless, and worth knowing."""
    problems: list[Problem] = attrs.field(factory=list)
    problem_count: int = 0
    """Also of those that are not listed."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem_count

    def to_json(self) -> dict[str, Any]:
        """Return it as values that `json` writes."""
        node: dict[str, Any] = attrs.asdict(self, recurse=False)
        node["topics"] = [
            {
                "name": topic.name,
                "topic_id": uuid_to_text(topic.topic_id),
                "cleanup_policy": topic.cleanup_policy,
                "partitions": {str(index): attrs.asdict(part) for index, part in topic.partitions.items()},
            }
            for topic in self.topics
        ]
        node["problems"] = [problem_to_json(problem) for problem in self.problems]
        return node | {"clean": self.is_clean}

    def lines(self) -> Iterator[str]:
        """Yield it line by line, for a person."""
        yield f"data directory {self.directory}"
        yield f"  cluster id      {self.cluster_id or 'none'}"
        versions = f"write-ahead log {_or_none(self.wal_version)}, checkpoint {_or_none(self.checkpoint_version)}"
        yield f"  format          {versions}"
        yield f"  leader epoch    {_or_none(self.epoch if self.epoch >= 0 else None)}"
        first = self.wal_first_sequence
        entries = "no entries" if first is None else f"entries {first} to {self.wal_next_sequence - 1}"
        yield f"  write-ahead log {self.wal_bytes} bytes in {self.wal_segments} segments, {entries}"
        covered = "no save" if self.next_sequence is None else f"covers entries below {self.next_sequence}"
        yield f"  checkpoint      {self.checkpoint_bytes} bytes, {covered}"
        for topic in self.topics:
            yield from _topic_lines(topic)
        if self.groups is not None:
            yield f"groups: {len(self.groups)}"
            for group, count in sorted(self.groups.items()):
                yield f"  {group!r}: {count} committed offsets"
        for note in self.notes:
            yield f"note: {note}"
        yield from problem_lines(self.problems, self.problem_count)
        if self.is_clean:
            yield "no problems found"


def problem_to_json(problem: Problem) -> dict[str, str]:
    """Return a problem as values that `json` writes."""
    return attrs.asdict(problem) | {"meaning": problem.meaning, "advice": problem.advice}


def problem_lines(problems: list[Problem], count: int) -> Iterator[str]:
    """Yield problems line by line, for a person."""
    if count:
        yield f"problems: {count}"
    for problem in problems:
        yield f"  {problem.where}: {problem.what}"
        yield f"    [{problem.kind}] {problem.meaning}; {problem.advice}"
    if count > len(problems):
        yield f"  and {count - len(problems)} more"


def _topic_lines(topic: TopicReport) -> Iterator[str]:
    name = "unknown topic" if topic.name is None else f"topic {topic.name!r}"
    known = f"{topic.cleanup_policy}, {len(topic.partitions)} partitions with data"
    yield f"{name}, id {uuid_to_text(topic.topic_id)}, {known}"
    for index, part in sorted(topic.partitions.items()):
        yield (
            f"  {index}: offsets {part.log_start_offset} to {part.high_watermark};"
            f" L2 {_content(part.checkpoint)}; L1 {_content(part.wal)};"
            f" timestamps {part.first_timestamp_ms} to {part.last_timestamp_ms}; {part.producers} producers"
        )


def _content(content: Content) -> str:
    return f"{content.batches} batches, {content.records} records, {content.bytes} bytes"


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)
