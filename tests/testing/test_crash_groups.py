"""What the crash workload sees of a group is what anybody can see, and a broker that forgets a member is caught."""

import random

import attrs
import pytest

from dotkafka.protocol.messages.consumer_group_describe import (
    CONSUMER_GROUP_DESCRIBE,
    Assignment,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.testing.crash_groups import DESCRIBE, GroupMembers, ask_member, view_of
from dotkafka.testing.crash_model import NO_GROUP, BrokenPromise, CrashModel, ModelPartition, ModelTopicPartition
from dotkafka.testing.crash_workload import START
from dotkafka.testing.simulated_storage import SimulatedStorage

NAME = ModelTopicPartition("t", 0)


@pytest.fixture(name="storage")
def fixture_storage():
    """Empty."""
    return SimulatedStorage("seed")


@pytest.fixture(name="driver")
def fixture_driver(storage):
    """A broker with a topic."""
    driver = storage.boot(START)
    wanted = CreatableTopic(name="t", num_partitions=3, replication_factor=1)
    driver.call(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[wanted], timeout_ms=1000))
    return driver


@pytest.fixture(name="model")
def fixture_model():
    """It knows the topic."""
    model = CrashModel()
    model.did(attrs.evolve(model.now, partitions={NAME: ModelPartition(1)}))
    return model


def take_turns(driver, model, count):
    """Let members do something, each answered before the next."""

    def ask(api, version, request, check, state, operation=None):
        if state is not None:
            model.did(state)
        check(driver.call(api, version, request))
        del operation

    members = GroupMembers(random.Random(1), model, ask)
    for _ in range(count):
        members.take_turn()


def test_members_share_the_topic_and_a_restart_knows_them(storage, driver, model):
    """In their epochs, with what they have and what they shall have."""
    take_turns(driver, model, 40)
    view = model.now.group.view
    assert view == view_of(driver.call(CONSUMER_GROUP_DESCRIBE, 1, DESCRIBE))
    assert view.epoch > 2
    assert len(view.members) > 1
    assert view == view_of(storage.fork(lambda: False).boot(START).call(CONSUMER_GROUP_DESCRIBE, 1, DESCRIBE))


def test_a_member_goes_on_in_its_epoch(driver, model):
    """Whichever is asked."""
    take_turns(driver, model, 40)
    for choice in range(3):
        check = ask_member(driver, model.now.group.view, ["t"], choice)
        driver.settle()
        assert check().view is not None


def test_a_broker_that_has_forgotten_a_member_is_caught(driver, model):
    """It fences the member."""
    take_turns(driver, model, 40)
    empty = SimulatedStorage("another").boot(START)
    check = ask_member(empty, model.now.group.view, ["t"], 0)
    empty.settle()
    with pytest.raises(BrokenPromise, match="is refused"):
        check()


def test_nobody_is_asked_where_nobody_is(driver):
    """The group stays what it is."""
    assert ask_member(driver, NO_GROUP, ["t"], 0)().view == NO_GROUP
    assert view_of(driver.call(CONSUMER_GROUP_DESCRIBE, 1, DESCRIBE)).members == {}


def test_two_owners_are_caught():
    """Whatever the epochs are."""
    assigned = Assignment(topic_partitions=[TopicPartitions(topic_id=b"i" * 16, topic_name="t", partitions=[0])])
    members = [
        Member(
            member_id=name,
            member_epoch=epoch,
            client_id="",
            client_host="",
            subscribed_topic_names=["t"],
            assignment=assigned,
            target_assignment=assigned,
        )
        for epoch, name in enumerate("xy")
    ]
    group = DescribedGroup(
        error_code=0,
        group_id="m",
        group_state="Stable",
        group_epoch=2,
        assignment_epoch=2,
        assignor_name="uniform",
        members=members,
    )
    with pytest.raises(BrokenPromise, match="two owners"):
        view_of(ConsumerGroupDescribeResponse(throttle_time_ms=0, groups=[group]))
