"""The codec beside its peers: kafka-python (pure Python), kio (decodes in Rust), aiokafka (records in Cython).

Each runs in an interpreter of its own; rounds are interleaved, so that ratios come from the same minutes. A dash stands
where a codec does not have what is measured.

    python bench/codec/run.py --rounds 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from workloads import batches, messages

WORKER = Path(__file__).with_name("worker.py")
PEERS = ("dotkafka", "kafka-python", "kio", "aiokafka")


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the samples of each codec, by case."""
    work = json.dumps({"messages": messages(), "batches": batches()})
    samples: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        turn = number % len(PEERS)
        for peer in PEERS[turn:] + PEERS[:turn]:
            command = [sys.executable, str(WORKER), peer]
            result = subprocess.run(command, input=work, check=True, stdout=subprocess.PIPE, text=True)
            for case, seconds in json.loads(result.stdout).items():
                samples.setdefault(case, {}).setdefault(peer, []).extend(seconds)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return {case: samples[case] for case in sorted(samples, key=lambda case: case[0].isdigit())}


def main() -> None:
    """Measure, and print a table of medians and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    others = PEERS[1:]
    print("| median µs | " + " | ".join(PEERS) + " | " + " | ".join(f"{peer} / dotkafka" for peer in others) + " |")
    print("|---" + "|---:" * (len(PEERS) + len(others)) + "|")
    for case, by_peer in measure(arguments.rounds).items():
        medians = {peer: statistics.median(seconds) * 1e6 for peer, seconds in by_peer.items()}
        figures = [f"{medians[peer]:,.1f}" if peer in medians else "-" for peer in PEERS]
        ratios = [f"{medians[peer] / medians['dotkafka']:.2f}" if peer in medians else "-" for peer in others]
        print(f"| {case} | " + " | ".join(figures + ratios) + " |")


if __name__ == "__main__":
    main()
