"""The shape of the project: which layer knows which, what users may import, and a test for every module.

That layers import only what lies below them is checked by import-linter, as part of `make check`.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import dotkafka

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "dotkafka"

TESTED_ELSEWHERE = {
    "__main__.py": "it only calls cli.py, as tests/clients do with every server they start",
    "errors.py": "exceptions without behaviour",
    "storage/checkpoint_groups.py": "rows of one store; tests/storage/test_checkpoint_sqlite.py is their test",
    "storage/spi.py": "protocols without behaviour; testing/conformance/ is their test",
}
"""Modules without a test module of their own, and why."""
TESTED_TOGETHER = {
    "protocol/messages/": "tests/protocol/test_messages.py holds every message to Kafka's own descriptions",
    "inspection/": "a directory is checked and salvaged as a whole, in tests/inspection",
    "testing/conformance/": "tests/testing/test_conformance.py has a broken engine for each check",
    "testing/simulation/": "a world is tested as a whole, in tests/simulation, with mistakes that it has to find",
    "testing/wiretap/": "bytes go in and a history comes out, in tests/testing/test_wiretap.py",
    "testing/history/": "a history is judged as a whole, in tests/testing/test_history.py and test_history_model.py",
}
"""Folders whose modules are tested as a whole, and why."""


def modules():
    """Every module of the package, as a path below its root."""
    return sorted(path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_test(module):
    """Who changes a module finds its test under the same name; exceptions have a reason."""
    folder = module.rpartition("/")[0]
    if module in TESTED_ELSEWHERE or f"{folder}/" in TESTED_TOGETHER:
        return
    test = ROOT / "tests" / folder / f"test_{module.rpartition('/')[2]}"
    assert test.exists(), f"{module} has no {test.relative_to(ROOT)}"


def test_exceptions_are_still_needed():
    """An exception that names nothing, or a module that has its test by now, is removed."""
    for module in TESTED_ELSEWHERE:
        assert (SOURCES / module).exists(), module
        folder, _, name = module.rpartition("/")
        assert not (ROOT / "tests" / folder / f"test_{name}").exists(), module
    for folder in TESTED_TOGETHER:
        assert (SOURCES / folder).is_dir(), folder


@pytest.mark.parametrize("name", dotkafka.__all__)
def test_public_names_exist(name):
    """What `import dotkafka` promises is there, with a docstring, and listed where tools look."""
    value = getattr(dotkafka, name)
    assert value.__doc__
    assert value.__module__.startswith("dotkafka.")
    assert name in dir(dotkafka)


def test_other_names_do_not():
    """A name that is not public is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dotkafka.nonsense


@pytest.mark.parametrize("module", modules())
def test_every_module_says_what_it_is(module):
    """Each can be imported, and has a docstring."""
    if module == "__main__.py":
        return
    assert import_module("dotkafka." + module.removesuffix(".py").replace("/", ".")).__doc__


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        (
            (
                "dotkafka.protocol, dotkafka.protocol.messages.produce, dotkafka.protocol.messages.fetch, "
                "dotkafka.protocol.messages.metadata"
            ),
            (
                "asyncio ssl sqlite3 socket dotkafka.broker dotkafka.server dotkafka.storage dotkafka.log "
                "dotkafka.coordinator dotkafka.protocol.messages.join_group"
            ),
        ),
        ("dotkafka", "asyncio ssl sqlite3 attr dotkafka.protocol dotkafka.broker dotkafka.server"),
        ("dotkafka.records.batch, dotkafka.records.record", "asyncio ssl sqlite3 dotkafka.broker dotkafka.storage"),
        ("dotkafka.broker.broker", "asyncio ssl sqlite3 dotkafka.server dotkafka.storage.wal_file"),
    ],
    ids=["codec", "package", "records", "broker"],
)
def test_nobody_pays_for_what_he_does_not_use(imported, unwanted):
    """Who imports one layer does not load those above it, nor what they need."""
    program = f"import sys, {imported}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = set(result.stdout.split())
    assert loaded & set(unwanted.split()) == set()
