"""Partition logs: appending, fetching, compaction and retention."""

from __future__ import annotations

from typing import Final

from fuzz.instruments import CRASH_STATES, MODELS, RETENTION, SIMULATION
from fuzz.planted_bugs.planted_bug import Edit, PlantedBug

LOG_BUGS: Final = (
    # -- the log --
    PlantedBug(
        "answer-before-the-sync",
        "The broker answers a producer as soon as its batch is in memory.",
        CRASH_STATES,
        (
            Edit(
                "broker/shard.py",
                "        if self.failure is not None:\n            waiter(self.failure)\n        elif",
                "        waiter(self.failure)\n        return\n        if self.failure is not None:\n"
                "            waiter(self.failure)\n        elif",
            ),
        ),
    ),
    PlantedBug(
        "watermark-before-the-sync",
        "Consumers are shown what a power cut may still take back.",
        SIMULATION,
        (
            Edit(
                "broker/shard.py",
                "        flush.end_offsets[log] = log.log_end_offset\n",
                "        flush.end_offsets[log] = log.log_end_offset\n"
                "        log.advance_high_watermark(log.log_end_offset)\n",
            ),
        ),
    ),
    PlantedBug(
        "log-start-before-the-sync",
        "A log start offset is told before it is durable, and goes back with a power cut.",
        CRASH_STATES,
        (
            Edit(
                "broker/shard.py",
                "        flush.moved_starts[log] = max(offset, flush.moved_starts.get(log, 0))\n",
                "        flush.moved_starts[log] = max(offset, flush.moved_starts.get(log, 0))\n"
                "        log.increment_log_start_offset(offset)\n",
            ),
        ),
    ),
    PlantedBug(
        "duplicates-forgotten-at-restart",
        "The snapshot of a partition leaves its producers out: a retry over a restart is appended twice.",
        CRASH_STATES,
        (
            Edit(
                "log/snapshot.py",
                "for producer_id, entry in sorted(snapshot.producers.items())},",
                "for producer_id, entry in sorted(snapshot.producers.items())[:0]},",
            ),
        ),
    ),
    PlantedBug(
        "duplicates-of-two-batches-only",
        "Only a producer's last two batches are recognised, though it may have five in flight.",
        CRASH_STATES,
        (Edit("log/producer_state.py", "BATCHES_TO_RETAIN: Final = 5\n", "BATCHES_TO_RETAIN: Final = 2\n"),),
    ),
    PlantedBug(
        "producer-epoch-goes-back",
        "A producer that was fenced by a newer epoch writes again.",
        MODELS,
        (
            Edit(
                "log/producer_state.py",
                "        if header.producer_epoch < entry.producer_epoch:\n",
                "        if header.producer_epoch < entry.producer_epoch - 1:\n",
            ),
        ),
    ),
    PlantedBug(
        "watermark-not-settled",
        "An undecided transaction does not hold the last stable offset back.",
        MODELS,
        (
            Edit(
                "log/offsets.py",
                "        if first_unstable_offset is not None and first_unstable_offset < stable:\n",
                "        if first_unstable_offset is not None and first_unstable_offset > stable:\n",
            ),
        ),
    ),
    PlantedBug(
        "retention-believes-the-clock",
        "A wall clock that jumps ahead for a moment deletes records, and makes producers forgotten.",
        RETENTION,
        (
            Edit(
                "clock.py",
                "min(self.wall_ms, since.wall_ms + self.monotonic_ms - since.monotonic_ms)",
                "self.wall_ms",
            ),
        ),
    ),
    # -- fetching --
    PlantedBug(
        "session-forgets-where-it-is",
        "A fetch session keeps the first offset that a client has asked for.",
        SIMULATION,
        (Edit("broker/fetch_sessions.py", "                known.fetch_offset = partition.fetch_offset\n", ""),),
    ),
    # -- compaction and retention --
    PlantedBug(
        "older-value-kept",
        "Of the records of a key, compaction keeps the first.",
        CRASH_STATES,
        (
            Edit(
                "log/compaction.py",
                "                    self._newest[_fingerprint(record.key)] = record.offset\n",
                "                    self._newest.setdefault(_fingerprint(record.key), record.offset)\n",
            ),
            Edit("log/compaction.py", "record.offset < self._newest", "record.offset > self._newest"),
            Edit("log/compaction.py", "get(_fingerprint(record.key), -1)", "get(_fingerprint(record.key), 1 << 62)"),
        ),
    ),
    PlantedBug(
        "tombstone-gone-at-once",
        "A tombstone goes with the first pass that sees it: a reader that is behind never hears that its key is gone.",
        SIMULATION,
        (
            Edit(
                "log/compaction.py",
                "        return header.delete_horizon_ms is not None and header.delete_horizon_ms <= self._now_ms\n",
                "        return header.delete_horizon_ms is None or header.delete_horizon_ms <= self._now_ms\n",
            ),
        ),
    ),
    PlantedBug(
        "retention-goes-too-far",
        "The batch that makes up the size to be kept is deleted too.",
        CRASH_STATES,
        (
            Edit(
                "log/retention.py",
                "        excess_bytes -= extent_bytes\n        if excess_bytes >= 0 or",
                "        excess_bytes -= extent_bytes\n        if excess_bytes > -extent_bytes or",
            ),
        ),
    ),
)
