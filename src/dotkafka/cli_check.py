"""`dotkafka check`: what a data directory holds, and whether it is whole; a new one from what can be read."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from dotkafka.errors import StorageError
from dotkafka.inspection import check_directory, salvage_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.inspection import DirectoryReport, SalvageReport

_DESCRIPTION = """\
Verify a data directory of a stopped server, and print what it holds. Not a byte of it is changed; a medium that cannot
be written will do.

Every checksum is computed: of the write-ahead log's entries, of every record batch in the checkpoint. SQLite checks its
file, the two are held against each other, and the broker recovers from them in memory, as at a start.
"""

_EPILOG = """\
examples:
  dotkafka check /var/lib/dotkafka
  dotkafka check --json /var/lib/dotkafka | jq .problems
  dotkafka check /var/lib/dotkafka --salvage /var/lib/dotkafka-2 && dotkafka serve --data /var/lib/dotkafka-2

--salvage makes a new directory of everything that can be read whole, each record at its own offset. What is lost is
told as offset ranges; consumers go on behind them. Topics that the metadata have lost get names like recovered-TOPICID.

An append that a crash has cut, at the very end of the log, is no problem: it was never acknowledged. Damage there looks
the same, unless the checkpoint or the file's length tell otherwise.

exit status: 0 no problems, or nothing was lost; 1 problems, or something was lost; 2 it cannot be checked: wrong
arguments, no data directory, a server that uses it.
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` to the commands."""
    command = commands.add_parser(
        "check",
        help="verify a data directory, or recover what can be from it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("directory", metavar="DIR", help="the data directory")
    command.add_argument(
        "--salvage", metavar="OUT", help="make a new data directory of what can be read; OUT is empty or does not exist"
    )
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.set_defaults(run=_run, command=command)


def _run(options: argparse.Namespace) -> int:
    try:
        status = _check(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the lines has seen enough. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, StorageError) as error:
        print(f"dotkafka: {error}", file=sys.stderr)
        return 2
    return status


def _check(options: argparse.Namespace) -> int:
    report: DirectoryReport | SalvageReport
    if options.salvage is None:
        report = check_directory(options.directory, progress=_progress())
        is_good = report.is_clean
    else:
        report = salvage_directory(options.directory, options.salvage, progress=_progress())
        is_good = report.is_complete
    if options.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        for line in report.lines():
            print(line)
    return 0 if is_good else 1


def _progress() -> Callable[[int], None]:
    """Return what tells how far the reading is, on a terminal."""
    if not sys.stderr.isatty():
        return lambda _read_bytes: None
    return lambda read_bytes: print(f"\r{read_bytes >> 20} MiB read ", end="", file=sys.stderr, flush=True)
