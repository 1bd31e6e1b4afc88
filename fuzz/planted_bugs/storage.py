"""The write-ahead log, the checkpoint, and what becomes of them where two brokers have them."""

from __future__ import annotations

from typing import Final

from fuzz.instruments import CRASH_STATES, FAILING_CALLS, SIMULATION, STORAGE
from fuzz.planted_bugs.planted_bug import Edit, PlantedBug

SYNC_OF_APPEND: Final = "        sync_for_good(self._file.sync, segment.name)\n        self._position += size\n"
CHECKPOINT_BEGINS: Final = "        self._new_work.append(self._checkpointing)\n"

STORAGE_BUGS: Final = (
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
    # -- two brokers at once --
    PlantedBug(
        "former-owner-keeps-its-file",
        "A new owner of the write-ahead log takes the lock over, and the old one goes on writing.",
        SIMULATION,
        (
            Edit(
                "storage/wal_file.py",
                '                self._end(Fenced, f"epoch {self.epoch} of',
                '                _LOG.warning(f"epoch {self.epoch} of',
            ),
        ),
    ),
    PlantedBug(
        "checkpoints-of-nobody",
        "Checkpoints do not say whose they are: what a former owner had under way is saved over the new one's.",
        SIMULATION,
        (
            Edit("broker/shard.py", "            epoch=self._writer.epoch,\n", "            epoch=0,\n"),
            Edit("broker/recovery.py", "Changes(epoch=writer.epoch, ", "Changes(epoch=0, "),
        ),
    ),
    PlantedBug(
        "former-owner-saves-once-more",
        "A new owner fences the log alone: until its first checkpoint, the store takes one of the former owner.",
        SIMULATION,
        (
            Edit(
                "broker/recovery.py",
                "        checkpoints.save(SHARD, Changes(epoch=writer.epoch, next_sequence=next_sequence))\n",
                "",
            ),
        ),
    ),
    PlantedBug(
        "fenced-broker-is-read",
        "A broker that knows that another one writes goes on to serve what it remembers.",
        SIMULATION,
        (
            Edit(
                "broker/broker.py",
                "        if isinstance(self.shard.failure, Fenced):\n",
                "        if isinstance(self.shard.failure, Fenced) and index < 0:\n",
            ),
        ),
    ),
)
