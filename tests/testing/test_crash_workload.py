"""The workload does all that it says, the same for the same seed."""

from collections import Counter

from dotkafka.testing.crash_workload import CrashWorkload


def kinds_of_operations(seeds):
    """How often the workloads of these seeds make each kind of call that changes something."""
    counted: Counter[str] = Counter()
    for seed in seeds:
        workload = CrashWorkload(seed)
        workload.run()
        counted.update(operation.split()[0] for operation in workload.storage.files.operations)
    return counted


def test_it_does_everything():
    """Segments begin, roll, are trimmed, used again and removed; checkpoints are saved; nothing is refused."""
    counted = kinds_of_operations(range(5))
    assert set(counted) == {"create", "allocate", "write", "sync", "rename", "remove", "sync_folder", "save"}
    assert min(counted.values()) > 5
    assert counted["write"] > 100


def test_the_model_goes_along():
    """All operations are acknowledged in the end, over several lives of the broker."""
    workload = CrashWorkload(0)
    workload.run()
    model = workload.model
    assert model.acknowledged == model.last_operation > 30
    assert model.epoch > 3
    assert model.producer_ids
    assert any(len(partition.values) > 5 for partition in model.now.partitions.values())
    assert workload.failures == []


def test_members_have_their_share():
    """They join, their epochs move, they commit."""
    workloads = [CrashWorkload(seed) for seed in range(3)]
    for workload in workloads:
        workload.run()
    states = [workload.model.now for workload in workloads]
    views = [state.group.view for state in states]
    assert all(view is not None and view.epoch > 2 for view in views)
    assert any(state.committed_by_members for state in states)


def test_the_same_seed_does_the_same():
    """Down to the last call."""
    runs = [CrashWorkload(seed) for seed in (7, 7, 8)]
    for run in runs:
        run.run()
    first, again, other = [run.storage.files.operations for run in runs]
    assert first == again != other
