"""What the broker serves: one module per API, named as in `dotkafka.protocol.messages`. Importing it registers all."""

from dotkafka.broker.handlers import (
    api_versions,
    create_topics,
    delete_groups,
    describe_groups,
    fetch,
    find_coordinator,
    heartbeat,
    init_producer_id,
    join_group,
    leave_group,
    list_groups,
    list_offsets,
    metadata,
    offset_commit,
    offset_delete,
    offset_fetch,
    offset_for_leader_epoch,
    produce,
    sync_group,
)
