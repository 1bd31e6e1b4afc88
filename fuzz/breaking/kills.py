"""kill -9 for real, as often as asked for: `make kill`.

A server process dies at named points and at any moment, under idempotent and plain producers, a group of consumers that
commit, and topics that come and go; it starts again on the same directory and port. What the clients saw is judged in
the end: nothing acknowledged is lost, nothing of an idempotent producer is doubled, nothing goes back.

    python -m fuzz.breaking.kills --kills 200 --seed 7

A seed repeats the points and moments; threads and processes run as they happen to.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from fuzz.breaking.rounds import MOST_TOLD, Run
from fuzz.breaking.server import MISTAKES


def main() -> int:
    """Run the command line; return 1 if something was found."""
    parser = argparse.ArgumentParser(description="Kill a broker, and look for what is lost.")
    parser.add_argument("--kills", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="which points and moments")
    parser.add_argument("--mistake", choices=MISTAKES, default="", help="something planted, to be found")
    parser.add_argument("--folder", type=Path, help="where data, history and the server's log stay")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="dotkafka-kills-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    run = Run(folder, folder / "data", options.seed, mistake=options.mistake)
    findings = run.run(options.kills)
    print(*(findings[:MOST_TOLD] or run.figures.lines()), sep="\n")
    print(f"{len(findings)} found, with seed {options.seed}" if findings else "nothing found")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
