"""The settings of a broker."""

from dotkafka.metadata.broker_configs import BROKER_CONFIGS
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS


def test_whatever_topics_inherit_can_be_changed() -> None:
    """Each synonym of a topic setting is a setting of the broker, of the same type, that is not fixed."""
    for topic_setting in TOPIC_CONFIGS.values():
        if topic_setting.broker_synonym is not None:
            definition = BROKER_CONFIGS[topic_setting.broker_synonym]
            assert definition.config_type == topic_setting.config_type
            assert definition.default == topic_setting.default
            assert not definition.is_read_only


def test_settings_are_in_the_order_of_their_names_and_documented() -> None:
    """Answers list settings by name, and each says what it is for."""
    assert list(BROKER_CONFIGS) == sorted(BROKER_CONFIGS)
    assert all(definition.documentation for definition in BROKER_CONFIGS.values())
