"""Groups of both protocols, and what they commit."""

from __future__ import annotations

from typing import Final

from fuzz.instruments import CRASH_STATES, GROUPS, SIMULATION
from fuzz.planted_bugs.planted_bug import Edit, PlantedBug

GROUP_BUGS: Final = (
    # -- groups --
    PlantedBug(
        "commit-answered-before-the-sync",
        "A consumer is told that its offset is committed while it is in memory only.",
        CRASH_STATES,
        (
            Edit(
                "broker/groups.py",
                "            if self._unsettled:\n",
                "            if self._unsettled > 1:\n",
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
)
