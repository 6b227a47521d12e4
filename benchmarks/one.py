"""Measures one thing in this process, and prints its rows as JSON: python -m benchmarks.one GROUP MEASUREMENT"""

from __future__ import annotations

import argparse
import json
import signal
import sys

from benchmarks.registry import NAMES, Scale, measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", choices=NAMES)
    parser.add_argument("measurement")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--without-peers", action="store_true")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it ends what it started
    rows = measured(asked.group, asked.measurement, Scale(asked.quick, not asked.without_peers))
    sys.stdout.write("\n" + json.dumps([row.to_json() for row in rows]) + "\n")


if __name__ == "__main__":
    main()
