"""The log's settings."""

import pytest

from dotkafka.log.config import LogConfig


def test_defaults_are_kafkas() -> None:
    """Who sets nothing gets what Kafka's documentation says."""
    config = LogConfig()
    assert config.max_message_bytes == 1024 * 1024 + 12
    assert config.message_timestamp_type == "CreateTime"
    assert not config.uses_log_append_time
    assert config.message_timestamp_after_max_ms == 60 * 60 * 1000
    assert config.retention_ms == 7 * 24 * 60 * 60 * 1000
    assert config.retention_bytes == -1


@pytest.mark.parametrize(
    ("policy", "compacted", "deleted"),
    [
        ("delete", False, True),
        ("compact", True, False),
        ("compact,delete", True, True),
        ("delete, compact", True, True),
    ],
)
def test_cleanup_policy(policy: str, *, compacted: bool, deleted: bool) -> None:
    """Both policies may hold at once."""
    config = LogConfig(cleanup_policy=policy)
    assert (config.is_compacted, config.is_deleted) == (compacted, deleted)
