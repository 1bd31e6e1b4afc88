"""Do the instruments find bugs? Plants known ones, one by one, and tells which instrument finds each: `make mutants`.

    python -m fuzz.mutants                          every bug, until an instrument finds it
    python -m fuzz.mutants --bug NAME --bug NAME    these
    python -m fuzz.mutants --every-instrument       which instruments find each, not only the first
    python -m fuzz.mutants --first-instrument       only the one that is to be asked first
    python -m fuzz.mutants --plant-only             whether they can be planted: the source may have moved on

A bug is planted into a copy of the source; the project itself is not touched. The bugs are in fuzz/planted_bugs.py and
fuzz/more_planted_bugs.py, the instruments in fuzz/instruments.py. Each instrument is first held to the source as it is:
it has to find nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fuzz.instruments import INSTRUMENTS, Instrument
from fuzz.planted_bugs import BUGS, PlantedBug

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src"
FOUND_NOTHING = 0
FOUND_SOMETHING = 1
LONGEST_RUN_S = 600


class Finding(NamedTuple):
    """What one instrument says of one copy of the source."""

    is_found: bool
    seconds: float
    last_line: str


def plant(bug: PlantedBug, source: Path) -> None:
    """Make the edits of a bug.

    Raises:
        ValueError: the text of an edit does not stand in its file exactly once: the source has moved on.
    """
    for edit in bug.edits:
        path = source / "dotkafka" / edit.file
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{bug.name}: stands {text.count(edit.old)} times in {edit.file}, not once: {edit.old!r}")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def copy_source(folder: Path) -> Path:
    """Return a copy of the source, in `folder`."""
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return folder


def look(instrument: Instrument, source: Path) -> Finding:
    """Turn an instrument on a copy of the source.

    Raises:
        RuntimeError: the instrument itself does not work.
    """
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", "CI": "true"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            code = subprocess.run(
                [sys.executable, *instrument.command],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LONGEST_RUN_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return Finding(True, LONGEST_RUN_S, "does not come to an end")  # noqa: FBT003 (a field by position)
        output.seek(0)
        lines = [line for line in output.read().splitlines() if line.strip()]
    if code not in {FOUND_NOTHING, FOUND_SOMETHING}:
        raise RuntimeError(f"{instrument.name} ends with {code}:\n" + "\n".join(lines[-30:]))
    return Finding(code == FOUND_SOMETHING, time.monotonic() - started, lines[-1] if lines else "")


def check_instruments(instruments: Iterable[Instrument]) -> None:
    """Hold each instrument to the source as it is.

    Raises:
        RuntimeError: one finds something there, so what it says of a planted bug means nothing.
    """
    for instrument in instruments:
        finding = look(instrument, SOURCE)
        if finding.is_found:
            raise RuntimeError(f"{instrument.name} finds something without a planted bug: {finding.last_line}")
        print(f"no bug: {instrument.name} finds nothing in {finding.seconds:.1f} s", flush=True)


def try_bug(bug: PlantedBug, instruments: Iterable[Instrument], *, goes_on: bool) -> list[tuple[Instrument, Finding]]:
    """Plant a bug, and turn the instruments on it until one finds it, or all if it `goes_on`; return those that do."""
    found: list[tuple[Instrument, Finding]] = []
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        source = copy_source(Path(folder))
        plant(bug, source)
        for instrument in instruments:
            finding = look(instrument, source)
            if finding.is_found:
                found.append((instrument, finding))
                if not goes_on:
                    break
    return found


def plant_all(bugs: Sequence[PlantedBug]) -> None:
    """Plant each bug and compile what comes out, without running anything.

    Raises:
        ValueError: as `plant`.
        SyntaxError: the source with the bug is no Python.
    """
    for bug in bugs:
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            source = copy_source(Path(folder))
            plant(bug, source)
            for edit in bug.edits:
                compile((source / "dotkafka" / edit.file).read_text(encoding="utf-8"), edit.file, "exec")
    print(f"{len(bugs)} bugs can be planted")


def instruments_for(bug: PlantedBug, *, first_only: bool) -> Sequence[Instrument]:
    """Return the instruments in the order in which they are asked about a bug."""
    others = () if first_only else (instrument for instrument in INSTRUMENTS if instrument is not bug.seen_by)
    return (bug.seen_by, *others)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    names = [bug.name for bug in BUGS]
    parser = argparse.ArgumentParser(description="Plant known bugs, and see which instrument finds each.")
    parser.add_argument("--bug", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--every-instrument", action="store_true", help="go on after the first that finds the bug")
    which.add_argument("--first-instrument", action="store_true", help="ask only the one that is to be asked first")
    which.add_argument("--plant-only", action="store_true", help="only see whether the bugs can be planted")
    parser.add_argument(
        "--unchecked", action="store_true", help="do not hold the instruments to the source as it is first"
    )
    return parser.parse_args(arguments)


def main() -> int:
    """Run the command line; return 1 if a bug was not found."""
    options = options_of()
    bugs = [bug for bug in BUGS if not options.bug or bug.name in options.bug]
    if options.plant_only:
        plant_all(bugs)
        return 0
    asked = {bug.name: instruments_for(bug, first_only=options.first_instrument) for bug in bugs}
    if not options.unchecked:
        check_instruments(dict.fromkeys(chain.from_iterable(asked.values())))
    missed = 0
    for bug in bugs:
        found = try_bug(bug, asked[bug.name], goes_on=options.every_instrument)
        told = ", ".join(f"{instrument.name} in {finding.seconds:.1f} s" for instrument, finding in found)
        print(f"{bug.name}: {told or 'NOT FOUND'}", flush=True)
        if options.bug:
            print(*(f"    {finding.last_line}" for _, finding in found), sep="\n", flush=True)
        missed += not found
    print(f"{len(bugs) - missed} of {len(bugs)} planted bugs found")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
