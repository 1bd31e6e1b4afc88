"""The instruments that look for broken promises, as commands: what `python -m fuzz.mutants` turns on planted bugs."""

from __future__ import annotations

from typing import Final, NamedTuple


class Instrument(NamedTuple):
    """A command that ends with 0 if it has found nothing, and with 1 if it has."""

    name: str
    command: tuple[str, ...]
    """After the interpreter, in the folder of the project."""


def _pytest(*paths: str) -> tuple[str, ...]:
    return ("-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", *paths)


CRASH_STATES: Final = Instrument("crash states", ("fuzz/crash_states.py", "--states", "20000", "--processes", "1"))
FAILING_CALLS: Final = Instrument("failing calls", _pytest("tests/broker/test_storage_faults.py"))
STORAGE: Final = Instrument("storage conformance", _pytest("tests/storage"))
SIMULATION: Final = Instrument("simulation", ("fuzz/simulation.py", "--seeds", "20", "--processes", "1"))
MODELS: Final = Instrument(
    "models of log and broker",
    _pytest("tests/log", "tests/broker/test_broker_model.py", "tests/broker/test_recovery.py"),
)
GROUPS: Final = Instrument("group scenarios and invariants", _pytest("tests/coordinator"))
RETENTION: Final = Instrument("retention", _pytest("tests/broker/test_retention.py"))

KILLS: Final = Instrument("kill -9", ("-m", "fuzz.breaking.kills", "--kills", "10", "--seed", "1"))

INSTRUMENTS: Final = (CRASH_STATES, FAILING_CALLS, STORAGE, SIMULATION, MODELS, GROUPS, RETENTION, KILLS)
