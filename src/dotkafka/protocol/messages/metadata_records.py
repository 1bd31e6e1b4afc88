"""The records of `__cluster_metadata`: what KRaft's controllers decide, one change each.

A record is framed as unsigned varints - frame version 1, record type, version - and the body at that version. It has no
key. Types 6, 13 and 16 are not in use.
"""

from __future__ import annotations

from dotkafka.protocol.schema import (
    Array,
    Boolean,
    Bytes,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Message,
    String,
    UInt16,
    Uuid,
    field,
    struct,
)


@struct
class RegisterBrokerRecord:
    """Record type 0: a broker has registered; where it listens, and what it can do."""

    broker_id: Int32 = field()
    is_migrating_zk_broker: Boolean = field("2+")
    incarnation_id: Uuid = field()
    broker_epoch: Int64 = field()
    end_points: Array[Endpoint] = field()
    features: Array[Feature] = field()
    rack: String | None = field(nullable="0+")
    fenced: Boolean = field(default=True)
    in_controlled_shutdown: Boolean = field("1+")
    log_dirs: Array[Uuid] = field("3+", tag=0)
    cordoned_log_dirs: Array[Uuid] | None = field("4+", nullable="4+", tag=1, default=None)


@struct
class Endpoint:
    """One listener of a broker or controller."""

    name: String = field()
    host: String = field()
    port: UInt16 = field()
    security_protocol: Int16 = field()


@struct
class Feature:
    """The levels of a feature that a broker or controller can run at."""

    name: String = field()
    min_supported_version: Int16 = field()
    max_supported_version: Int16 = field()


@struct
class UnregisterBrokerRecord:
    """Record type 1: a broker has been removed."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field()


@struct
class TopicRecord:
    """Record type 2: a topic was created."""

    name: String = field()
    topic_id: Uuid = field()


@struct
class PartitionRecord:
    """Record type 3: a partition was created, or is as follows."""

    partition_id: Int32 = field(default=-1)
    topic_id: Uuid = field()
    replicas: Array[Int32] = field()
    isr: Array[Int32] = field()
    removing_replicas: Array[Int32] = field()
    adding_replicas: Array[Int32] = field()
    leader: Int32 = field(default=-1)
    leader_recovery_state: Int8 = field(tag=0)
    leader_epoch: Int32 = field(default=-1)
    partition_epoch: Int32 = field(default=-1)
    directories: Array[Uuid] = field("1+")
    eligible_leader_replicas: Array[Int32] | None = field("2+", nullable="2+", tag=1, default=None)
    last_known_elr: Array[Int32] | None = field("2+", nullable="2+", tag=2, default=None)


@struct
class ConfigRecord:
    """Record type 4: a configuration key was set; null removes it."""

    resource_type: Int8 = field()
    resource_name: String = field()
    name: String = field()
    value: String | None = field(nullable="0+")


@struct
class PartitionChangeRecord:
    """Record type 5: some of a partition has changed. Null is as before, and so are -2 and -1 of the numbers."""

    partition_id: Int32 = field(default=-1)
    topic_id: Uuid = field()
    isr: Array[Int32] | None = field(nullable="0+", tag=0, default=None)
    leader: Int32 = field(tag=1, default=-2)
    replicas: Array[Int32] | None = field(nullable="0+", tag=2, default=None)
    removing_replicas: Array[Int32] | None = field(nullable="0+", tag=3, default=None)
    adding_replicas: Array[Int32] | None = field(nullable="0+", tag=4, default=None)
    leader_recovery_state: Int8 = field(tag=5, default=-1)
    directories: Array[Uuid] | None = field("1+", nullable="1+", tag=8, default=None)
    eligible_leader_replicas: Array[Int32] | None = field("2+", nullable="2+", tag=6, default=None)
    last_known_elr: Array[Int32] | None = field("2+", nullable="2+", tag=7, default=None)


@struct
class FenceBrokerRecord:
    """Record type 7: a broker may not lead; type 17 has taken its place."""

    id: Int32 = field()
    epoch: Int64 = field()


@struct
class UnfenceBrokerRecord:
    """Record type 8: a broker may lead; type 17 has taken its place."""

    id: Int32 = field()
    epoch: Int64 = field()


@struct
class RemoveTopicRecord:
    """Record type 9: a topic was deleted, and its partitions with it."""

    topic_id: Uuid = field()


@struct
class DelegationTokenRecord:
    """Record type 10: a delegation token was created, or is valid for longer. Timestamps are in ms."""

    owner: String = field()
    requester: String = field()
    renewers: Array[String] = field()
    issue_timestamp: Int64 = field()
    max_timestamp: Int64 = field()
    expiration_timestamp: Int64 = field()
    token_id: String = field()


@struct
class UserScramCredentialRecord:
    """Record type 11: what a user proves a password with, in SCRAM."""

    name: String = field()
    mechanism: Int8 = field()
    salt: Bytes = field()
    stored_key: Bytes = field()
    server_key: Bytes = field()
    iterations: Int32 = field()


@struct
class FeatureLevelRecord:
    """Record type 12: the level that a feature runs at."""

    name: String = field()
    feature_level: Int16 = field()


@struct
class ClientQuotaRecord:
    """Record type 14: a quota was set or removed."""

    entity: Array[EntityData] = field()
    key: String = field()
    value: Float64 = field()
    remove: Boolean = field()


@struct
class EntityData:
    """A part of what a quota is for, such as a user; null is the default for all of that type."""

    entity_type: String = field()
    entity_name: String | None = field(nullable="0+")


@struct
class ProducerIdsRecord:
    """Record type 15: producer ids up to `next_producer_id` are given out."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field(default=-1)
    next_producer_id: Int64 = field()


@struct
class BrokerRegistrationChangeRecord:
    """Record type 17: some of what a broker is has changed. 1 is now so, -1 no longer, 0 as before."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field()
    fenced: Int8 = field(tag=0)
    in_controlled_shutdown: Int8 = field("1+", tag=1)
    log_dirs: Array[Uuid] = field("2+", tag=2)
    cordoned_log_dirs: Array[Uuid] | None = field("3+", nullable="3+", tag=3, default=None)


@struct
class AccessControlEntryRecord:
    """Record type 18: an ACL was added."""

    id: Uuid = field()
    resource_type: Int8 = field()
    resource_name: String = field()
    pattern_type: Int8 = field()
    principal: String = field()
    host: String = field()
    operation: Int8 = field()
    permission_type: Int8 = field()


@struct
class RemoveAccessControlEntryRecord:
    """Record type 19: an ACL was removed."""

    id: Uuid = field()


@struct
class NoOpRecord:
    """Record type 20: nothing has changed; written so that the log goes on, and its lag can be seen."""


@struct
class ZkMigrationStateRecord:
    """Record type 21: how far the migration from ZooKeeper is."""

    zk_migration_state: Int8 = field()


@struct
class RemoveUserScramCredentialRecord:
    """Record type 22: a user's SCRAM credential was removed."""

    name: String = field()
    mechanism: Int8 = field()


@struct
class BeginTransactionRecord:
    """Record type 23: the records up to the end or abort count together, or not at all (KIP-868)."""

    name: String | None = field(nullable="0+", tag=0, default=None)


@struct
class EndTransactionRecord:
    """Record type 24: the records since the begin count."""


@struct
class AbortTransactionRecord:
    """Record type 25: the records since the begin do not count."""

    reason: String | None = field(nullable="0+", tag=0, default=None)


@struct
class RemoveDelegationTokenRecord:
    """Record type 26: a delegation token is not valid any more."""

    token_id: String = field()


@struct
class RegisterControllerRecord:
    """Record type 27: a controller has registered; where it listens, and what it can do."""

    controller_id: Int32 = field()
    incarnation_id: Uuid = field()
    zk_migration_ready: Boolean = field()
    end_points: Array[Endpoint] = field()
    features: Array[Feature] = field()


@struct
class ClearElrRecord:
    """Record type 28: the eligible leader replicas of a topic are forgotten; of all topics, if the name is empty."""

    topic_name: String = field()


REGISTER_BROKER_RECORD = Message(RegisterBrokerRecord, versions="0-4", flexible="0+")
UNREGISTER_BROKER_RECORD = Message(UnregisterBrokerRecord, versions="0", flexible="0+")
TOPIC_RECORD = Message(TopicRecord, versions="0", flexible="0+")
PARTITION_RECORD = Message(PartitionRecord, versions="0-2", flexible="0+")
CONFIG_RECORD = Message(ConfigRecord, versions="0", flexible="0+")
PARTITION_CHANGE_RECORD = Message(PartitionChangeRecord, versions="0-2", flexible="0+")
FENCE_BROKER_RECORD = Message(FenceBrokerRecord, versions="0", flexible="0+")
UNFENCE_BROKER_RECORD = Message(UnfenceBrokerRecord, versions="0", flexible="0+")
REMOVE_TOPIC_RECORD = Message(RemoveTopicRecord, versions="0", flexible="0+")
DELEGATION_TOKEN_RECORD = Message(DelegationTokenRecord, versions="0", flexible="0+")
USER_SCRAM_CREDENTIAL_RECORD = Message(UserScramCredentialRecord, versions="0", flexible="0+")
FEATURE_LEVEL_RECORD = Message(FeatureLevelRecord, versions="0", flexible="0+")
CLIENT_QUOTA_RECORD = Message(ClientQuotaRecord, versions="0", flexible="0+")
PRODUCER_IDS_RECORD = Message(ProducerIdsRecord, versions="0", flexible="0+")
BROKER_REGISTRATION_CHANGE_RECORD = Message(BrokerRegistrationChangeRecord, versions="0-3", flexible="0+")
ACCESS_CONTROL_ENTRY_RECORD = Message(AccessControlEntryRecord, versions="0", flexible="0+")
REMOVE_ACCESS_CONTROL_ENTRY_RECORD = Message(RemoveAccessControlEntryRecord, versions="0", flexible="0+")
NO_OP_RECORD = Message(NoOpRecord, versions="0", flexible="0+")
ZK_MIGRATION_STATE_RECORD = Message(ZkMigrationStateRecord, versions="0", flexible="0+")
REMOVE_USER_SCRAM_CREDENTIAL_RECORD = Message(RemoveUserScramCredentialRecord, versions="0", flexible="0+")
BEGIN_TRANSACTION_RECORD = Message(BeginTransactionRecord, versions="0", flexible="0+")
END_TRANSACTION_RECORD = Message(EndTransactionRecord, versions="0", flexible="0+")
ABORT_TRANSACTION_RECORD = Message(AbortTransactionRecord, versions="0", flexible="0+")
REMOVE_DELEGATION_TOKEN_RECORD = Message(RemoveDelegationTokenRecord, versions="0", flexible="0+")
REGISTER_CONTROLLER_RECORD = Message(RegisterControllerRecord, versions="0", flexible="0+")
CLEAR_ELR_RECORD = Message(ClearElrRecord, versions="0", flexible="0+")
