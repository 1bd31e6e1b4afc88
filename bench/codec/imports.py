"""What the first use of a codec costs: importing what produce, fetch and metadata need, and the first message of each.

    python bench/codec/imports.py [--rounds 7]

Each round is a new interpreter. "First use" is the first call less the second one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from workloads import messages

IMPORTS = {
    "dotkafka": (
        "from dotkafka.protocol.messages import fetch, metadata, produce",
        "import dotkafka.records.batch",
    ),
    "kafka-python": (
        "import kafka.protocol.metadata, kafka.protocol.consumer, kafka.protocol.producer",
        "import kafka.record.memory_records",
    ),
    "kio": (
        "import kio.schema.metadata.v12, kio.schema.fetch.v12, kio.schema.produce.v9, kio.serial",
        "import kio.records.readers, kio.records.writers",
    ),
}
"""What a client needs for messages, and for record batches as well; half of the latter is the package crc32c."""
MEASURED = {("MetadataResponse", 12), ("FetchResponse", 12), ("ProduceRequest", 9)}

PROBE = """
import gc, io, json, os, re, struct, sys, warnings
warnings.simplefilter("ignore")
from time import perf_counter
sys.path.insert(0, {folder!r})
import importlib
cases = json.load(sys.stdin)

def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before, modules, start = resident_bytes(), len(sys.modules), perf_counter()
found = {{}}
for what, statement in zip(("messages", "messages and records"), {imports}):
    exec(statement)
    found[f"import of {{what}}, ms"] = (perf_counter() - start) * 1e3
    found[f"import of {{what}}, MiB"] = (resident_bytes() - before) / 2**20
    found[f"import of {{what}}, modules"] = len(sys.modules) - modules
from peers import CODECS
codec = CODECS[{name!r}]()
gc.disable()
def first_ms(call):
    times = []
    for _ in range(2):
        start = perf_counter()
        result = call()
        times.append(perf_counter() - start)
    return (times[0] - times[1]) * 1e3, result
for message, version, text in cases:
    data = bytes.fromhex(text)
    decoding, value = first_ms(lambda: codec.message(message, version)[0](data))
    encoding, _ = first_ms(lambda: codec.message(message, version)[1](value))
    found[f"first {{message}} v{{version}} decode ms"] = decoding
    found[f"first {{message}} v{{version}} encode ms"] = encoding
print(json.dumps(found))
"""


def main() -> None:
    """Measure, and print a table of medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    work = json.dumps([case for case in messages() if case[:2] in MEASURED])
    samples: dict[str, dict[str, list[float]]] = {}
    for _ in range(arguments.rounds):
        for name, imports in IMPORTS.items():
            probe = PROBE.format(folder=str(Path(__file__).parent), imports=imports, name=name)
            command = [sys.executable, "-c", probe]
            result = subprocess.run(command, input=work, check=True, stdout=subprocess.PIPE, text=True)
            for case, value in json.loads(result.stdout).items():
                samples.setdefault(case, {}).setdefault(name, []).append(value)
    print("| median | " + " | ".join(IMPORTS) + " |")
    print("|---" + "|---:" * len(IMPORTS) + "|")
    for case, by_name in samples.items():
        print(f"| {case} | " + " | ".join(f"{statistics.median(by_name[name]):,.1f}" for name in IMPORTS) + " |")


if __name__ == "__main__":
    main()
