"""Power cuts under a real server process: `make power-cuts`.

As `fuzz.breaking.kills`, but the data lie on a file system that knows what was not synced. When the process has died,
each unsynced sector, length and name is lost or kept, as the seed says. SQLite and its journal are on it too.

    python -m fuzz.breaking.power_cuts --cuts 50 --seed 7

Needs FUSE: apt-get install fuse3 libfuse3-dev pkg-config; pip install -r requirements/fuse.txt. Where something is
missing it says so, and ends with status 77.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
from pathlib import Path

from fuzz.breaking.mounts import MountedDisk, cannot, enter_own_mounts, what_fuse_lacks
from fuzz.breaking.rounds import MOST_TOLD, Run
from fuzz.breaking.server import MISTAKES


def main() -> int:
    """Run the command line; return 1 if something was found."""
    parser = argparse.ArgumentParser(description="Cut the power of a broker, and look for what is lost.")
    parser.add_argument("--cuts", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="which points, and what survives")
    parser.add_argument("--mistake", choices=MISTAKES, default="", help="something planted, to be found")
    options = parser.parse_args()
    if lacking := what_fuse_lacks():
        cannot(lacking)
    enter_own_mounts("fuzz.breaking.power_cuts")
    folder = Path(tempfile.mkdtemp(prefix="dotkafka-power-cuts-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    disk = MountedDisk(folder / "disk")
    numbers = itertools.count()

    def cut_power() -> None:
        disk.cut_power(f"{options.seed}:{next(numbers)}")

    run = Run(folder, folder / "disk" / "data", options.seed, mistake=options.mistake, after_death=cut_power)
    try:
        findings = run.run(options.cuts)
    finally:
        disk.unmount()
    print(*(findings[:MOST_TOLD] or run.figures.lines()), sep="\n")
    print(f"unsynced when the power went: {disk.unsynced} sectors, lengths and names, of which {disk.kept} survived")
    print(f"{len(findings)} found, with seed {options.seed}" if findings else "nothing found")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
