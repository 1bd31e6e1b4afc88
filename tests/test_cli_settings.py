"""Settings on the command line have Kafka's names, and are listed as they can be set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dotkafka import cli_settings
from dotkafka.cli import main
from dotkafka.coordinator.config import MigrationPolicy

if TYPE_CHECKING:
    import pytest


def test_settings_have_kafkas_names() -> None:
    """Of brokers, of groups, and of topics under either of their names."""
    config = cli_settings.parse(
        [
            "num.partitions=4",
            "auto.create.topics.enable=false",
            "group.max.size=7",
            "group.consumer.migration.policy=upgrade",
            "log.retention.ms=5",
            "segment.ms=60000",
        ]
    )
    assert config.num_partitions == 4
    assert config.auto_create_topics_enable is False
    assert config.group.group_max_size == 7
    assert config.group.group_consumer_migration_policy is MigrationPolicy.UPGRADE
    assert config.default_topic_configs == {"retention.ms": "5", "segment.ms": "60000"}


def test_all_settings_are_listed_as_they_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    """With what is set, and each with a text."""
    assert main(["serve", "--list-config", "--config", "num.partitions=4"]) == 0
    said = capsys.readouterr().out.splitlines()
    settings, texts = said[::2], said[1::2]
    assert "num.partitions=4 (set)" in settings
    assert {"log.retention.hours=168", "group.consumer.migration.policy=bidirectional"} <= set(settings)
    assert all(re.fullmatch(r"    \S.*\.", text) for text in texts)
    assignments = [setting.removesuffix(" (set)") for setting in settings]
    assert list(cli_settings.lines(cli_settings.parse(assignments)))[1::2] == texts
