"""Bugs that logs, databases and brokers have had, to be planted in this one: do the instruments find them?

Each is a change of the source that is easily made and reads well. `python -m fuzz.mutants` plants them one by one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fuzz.instruments import CRASH_STATES, FAILING_CALLS, GROUPS, MODELS, RETENTION, SIMULATION, STORAGE, Instrument


class Edit(NamedTuple):
    """One place of the source, named by text that stands there once."""

    file: str
    """Below src/dotkafka."""
    old: str
    new: str


class PlantedBug(NamedTuple):
    """A bug, and which instrument is to be asked first."""

    name: str
    story: str
    seen_by: Instrument
    edits: tuple[Edit, ...]


SYNC_OF_APPEND: Final = "        sync_for_good(self._file.sync, segment.name)\n        self._position += size\n"
CHECKPOINT_BEGINS: Final = "        self._new_work.append(self._checkpointing)\n"

BUGS: Final = (
    # -- the write-ahead log --
    PlantedBug(
        "append-without-sync",
        "The write-ahead log acknowledges what stands in the page cache.",
        CRASH_STATES,
        (Edit("storage/wal_file.py", SYNC_OF_APPEND, "        self._position += size\n"),),
    ),
    PlantedBug(
        "no-folder-sync",
        "A new segment is synced, its name in the folder is not: after a power cut the file is not there.",
        CRASH_STATES,
        (
            Edit(
                "storage/wal_folder.py",
                "        sync_for_good(lambda: self._file_system.sync_folder(self._folder), self._folder)\n",
                "        self._file_system.list(self._folder)\n",
            ),
        ),
    ),
    PlantedBug(
        "rename-without-file-sync",
        "A file gets its final name before its content is durable.",
        CRASH_STATES,
        (Edit("storage/wal_folder.py", "            sync_for_good(file.sync, spare)\n", ""),),
    ),
    PlantedBug(
        "failed-sync-tried-again",
        "After a failed fsync the kernel has dropped the pages, and the second one says yes (PostgreSQL, 2018).",
        FAILING_CALLS,
        (
            Edit(
                "storage/wal_folder.py",
                "    try:\n        sync()\n    except OSError as error:\n",
                "    try:\n        try:\n            sync()\n        except OSError:\n            sync()\n"
                "    except OSError as error:\n",
            ),
        ),
    ),
    PlantedBug(
        "checksum-of-the-header-only",
        "The checksum of an entry leaves its payload out, so a torn append is taken for a whole one.",
        CRASH_STATES,
        (
            Edit(
                "storage/wal_segment.py",
                "    for part in parts:\n        checksum = crc32c(part, checksum)\n",
                "",
            ),
            Edit(
                "storage/wal_segment.py",
                "if len(payload) < length or crc32c(payload, crc32c(entry[: _ENTRY_FIELDS.size])) != checksum:",
                "if len(payload) < length or crc32c(entry[: _ENTRY_FIELDS.size]) != checksum:",
            ),
        ),
    ),
    PlantedBug(
        "damage-in-the-middle-cut-off",
        "Recovery takes the first damaged entry for the end of the log, and drops all that was acknowledged after it.",
        STORAGE,
        (Edit("storage/wal_file.py", "    if later is not None:\n", "    if later is not None and sequence < 0:\n"),),
    ),
    PlantedBug(
        "unsynced-end-trusted",
        "The last entry may stand in the page cache only; recovery serves it without writing it again.",
        CRASH_STATES,
        (
            Edit("storage/wal_file.py", "            if entry is not None:\n", "            if entry is None:\n"),
            Edit(
                "storage/wal_file.py",
                "                encoded = [encode_entry_header(salt, entry.sequence, entry.epoch, [entry.payload]), "
                "entry.payload]\n",
                "                pass\n",
            ),
            Edit(
                "storage/wal_file.py",
                "            first_sequence = entry.sequence if entry else next_sequence\n",
                "            first_sequence = next_sequence\n",
            ),
        ),
    ),
    PlantedBug(
        "same-salt-for-every-segment",
        "A payload that imitates an entry is taken for one: what clients send can make the log look damaged.",
        STORAGE,
        (
            Edit(
                "storage/wal_file.py",
                "self._next_sequence, self._random_bytes(SALT_SIZE)\n",
                'self._next_sequence, b"same-one"\n',
            ),
            Edit(
                "storage/wal_file.py",
                "            salt = self._random_bytes(SALT_SIZE)\n",
                '            salt = b"same-one"\n',
            ),
        ),
    ),
    PlantedBug(
        "sequence-taken-before-the-write",
        "An append that fails has used up its number; the next one leaves a hole.",
        FAILING_CALLS,
        (
            Edit(
                "storage/wal_file.py",
                "        sequence = self._next_sequence\n        header = encode",
                "        sequence = self._next_sequence\n        self._next_sequence += 1\n        header = encode",
            ),
        ),
    ),
    PlantedBug(
        "position-moved-by-a-failed-write",
        "After a full disk the next append goes behind what the failed one has left, and a reader stops before it.",
        FAILING_CALLS,
        (
            Edit(
                "storage/wal_file.py",
                '        with translated_errors(f"writing {segment.name} at byte {self._position}"):\n'
                "            self._file.write_at(self._position, [header, *parts])\n",
                '        with translated_errors(f"writing {segment.name} at byte {self._position}"):\n'
                "            self._position += size\n"
                "            self._file.write_at(self._position - size, [header, *parts])\n",
            ),
            Edit("storage/wal_file.py", SYNC_OF_APPEND, "        sync_for_good(self._file.sync, segment.name)\n"),
        ),
    ),
    PlantedBug(
        "segments-retired-without-sync",
        "Trimmed segments come back with a power cut, some of them: a hole in the log.",
        CRASH_STATES,
        (
            Edit(
                "storage/wal_folder.py",
                "            self._file_system.remove(segment.name)\n        self.sync()\n",
                "            self._file_system.remove(segment.name)\n",
            ),
        ),
    ),
    PlantedBug(
        "fenced-writer-goes-on",
        "The former owner of a shard still appends after its successor has opened it.",
        STORAGE,
        (
            Edit(
                "storage/memory.py",
                "    def _check_owner(self) -> None:\n        if self.epoch != self._state.epoch:\n",
                "    def _check_owner(self) -> None:\n        if self.epoch > self._state.epoch:\n",
            ),
        ),
    ),
    PlantedBug(
        "epoch-not-bumped",
        "A restarted broker writes under the leader epoch of the one before.",
        STORAGE,
        (
            Edit(
                "storage/wal_file.py",
                "epoch = max(found[-1].header.epoch + 1 if found else 0, minimum_epoch)",
                "epoch = max(found[-1].header.epoch if found else 0, minimum_epoch - 1, 0)",
            ),
        ),
    ),
    PlantedBug(
        "full-disk-is-final",
        "ENOSPC is taken for a broken disk: the broker refuses writes for good.",
        FAILING_CALLS,
        (Edit("storage/wal_folder.py", "ENFILE, ENOMEM, ENOSPC})", "ENFILE, ENOMEM})"),),
    ),
    # -- the checkpoint --
    PlantedBug(
        "trim-before-the-checkpoint",
        "The log forgets what a checkpoint covers as soon as that is begun.",
        CRASH_STATES,
        (
            Edit(
                "broker/shard.py",
                CHECKPOINT_BEGINS,
                CHECKPOINT_BEGINS
                + "        self._new_work.append(TrimWork(self._writer, changes.next_sequence, inline=self._inline))\n",
            ),
        ),
    ),
    PlantedBug(
        "checkpoint-claims-too-much",
        "The checkpoint says that it covers one entry more than it does.",
        CRASH_STATES,
        (
            Edit(
                "broker/shard.py",
                "            next_sequence=self._durable_sequence + 1,\n",
                "            next_sequence=self._durable_sequence + 2,\n",
            ),
        ),
    ),
    PlantedBug(
        "checkpoint-of-what-is-not-durable",
        "Batches that the write-ahead log may still lose are in the checkpoint.",
        CRASH_STATES,
        (
            Edit(
                "broker/shard.py",
                "        self._checkpoint_ends = {log: log.high_watermark for log in self._dirty}\n",
                "        for log in self._dirty:\n            log.advance_high_watermark(log.log_end_offset)\n"
                "        self._checkpoint_ends = {log: log.high_watermark for log in self._dirty}\n",
            ),
        ),
    ),
    PlantedBug(
        "deleted-partitions-stay",
        "A deleted topic's partitions are forgotten in memory, and come back with a restart.",
        CRASH_STATES,
        (Edit("broker/shard.py", "        self._deleted.append(partition)\n", ""),),
    ),
    PlantedBug(
        "failed-checkpoint-forgotten",
        "A checkpoint that could not be saved is not made again, and the next one leaves a hole.",
        FAILING_CALLS,
        (
            Edit(
                "broker/shard.py",
                "            self._dirty.update(alive)\n            self._deleted.extend(work.changes.deleted)\n",
                "            self._dirty.difference_update(alive)\n",
            ),
        ),
    ),
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
    # -- groups --
    PlantedBug(
        "commit-answered-before-the-sync",
        "A consumer is told that its offset is committed while it is in memory only.",
        CRASH_STATES,
        (
            Edit(
                "broker/groups.py",
                "        if self._unsettled:\n            self._broker.shard.when_durable(lambda",
                "        if self._unsettled > len(self._waiting):\n            self._broker.shard.when_durable(lambda",
            ),
        ),
    ),
    PlantedBug(
        "timer-of-a-dead-member",
        "The session of a member that has left goes on, and ends in the middle of another generation.",
        GROUPS,
        (
            Edit(
                "coordinator/classic/group.py",
                "        self.pending_sync_members.discard(member_id)\n"
                "        step.cancel(SessionDeadline(self.group_id, member_id))\n",
                "        self.pending_sync_members.discard(member_id)\n",
            ),
        ),
    ),
    PlantedBug(
        "generation-not-counted-up",
        "A rebalance keeps the generation, so a member of the old one commits as if it still owned its partitions.",
        GROUPS,
        (
            Edit(
                "coordinator/classic/group.py", "        self.generation_id += 1\n", "        self.generation_id += 0\n"
            ),
        ),
    ),
    PlantedBug(
        "groups-forget-their-members",
        "A restarted coordinator does not know the members of a stable group.",
        GROUPS,
        (
            Edit(
                "coordinator/classic/group.py",
                "            for member in self.members.values()\n        ]\n        value = GroupMetadataValue(",
                "            for member in self.members.values()\n            if not member.assignment\n        ]\n"
                "        value = GroupMetadataValue(",
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
)
