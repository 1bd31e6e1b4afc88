"""More bugs to be planted: with two brokers, in consumer groups, compaction and retention; see `fuzz.planted_bugs`."""

from __future__ import annotations

from typing import Final

from fuzz.instruments import CRASH_STATES, GROUPS, SIMULATION
from fuzz.planted_bugs import Edit, PlantedBug

MORE_BUGS: Final = (
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
    # -- groups of the consumer protocol --
    PlantedBug(
        "partition-given-before-it-is-let-go",
        "A partition goes to its new owner while the old one has yet to say that it stopped.",
        SIMULATION,
        (
            Edit(
                "coordinator/consumer/reconciliation.py",
                "for partition in missing if group.owner_of(partition) in {None, member.member_id}}",
                "for partition in missing}",
            ),
        ),
    ),
    PlantedBug(
        "revocation-taken-for-granted",
        "A member that still tells of a revoked partition is taken to have let go of it.",
        GROUPS,
        (
            Edit(
                "coordinator/consumer/reconciliation.py",
                "    return owned is None or not owned.isdisjoint(revoked)\n",
                "    return owned is None\n",
            ),
        ),
    ),
    PlantedBug(
        "member-epoch-in-memory-only",
        "A member's epoch and what it owns are told, and no record of them is written.",
        CRASH_STATES,
        (
            Edit(
                "coordinator/consumer/rebalance.py",
                "        group.change(current_record(group.group_id, updated), step)\n",
                "        group.replay(current_record(group.group_id, updated))\n",
            ),
        ),
    ),
    PlantedBug(
        "target-in-memory-only",
        "After a restart nobody knows what members are to get.",
        CRASH_STATES,
        (
            Edit(
                "coordinator/consumer/rebalance.py",
                "            group.change(target_record(group.group_id, member_id, partitions), step)\n",
                "            group.replay(target_record(group.group_id, member_id, partitions))\n",
            ),
        ),
    ),
    PlantedBug(
        "fenced-member-commits",
        "A member commits as of an epoch in which its partition was another one's.",
        GROUPS,
        (
            Edit(
                "coordinator/offset_requests.py",
                "            if since is None or epoch < since:\n",
                "            if since is None and epoch < 0:\n",
            ),
        ),
    ),
    PlantedBug(
        "session-not-renewed-by-heartbeats",
        "A member's session runs from when it joined, whatever is heard of it since.",
        SIMULATION,
        (
            Edit(
                "coordinator/consumer/heartbeat.py",
                "        keep_alive(group, member, step)\n",
                "        if old is None:\n            keep_alive(group, member, step)\n",
            ),
        ),
    ),
    PlantedBug(
        "living-static-member-replaced",
        "Who comes with the instance id of a member that is alive takes its place, under another member id.",
        GROUPS,
        (
            Edit(
                "coordinator/consumer/heartbeat.py",
                "        if member.is_classic or member.has_left_for_a_while:\n",
                "        if owner != member_id:\n",
            ),
        ),
    ),
    PlantedBug(
        "offset-deleted-in-memory-only",
        "A deleted offset is back after a restart.",
        CRASH_STATES,
        (
            Edit(
                "coordinator/offset_requests.py",
                "                step.record(offset_tombstone(group.group_id, topic.name, index))\n",
                "",
            ),
        ),
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
