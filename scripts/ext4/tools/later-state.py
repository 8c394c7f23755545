#!/usr/bin/env python3
"""Lead the tree that crash.py prepared to a later state.

usage: later-state.py 1|2|3 MOUNT_POINT
"""

import sys

import crash


def first(root: str) -> None:
    crash.replaced_contents(f"{root}/base")
    block = crash.MAGIC + b"begins with the magic number of the journal".ljust(4092, b".")
    crash.write(f"{root}/base/escaped", block * 3)


def second(root: str) -> None:
    crash.changed_names(f"{root}/base")


def third(root: str) -> None:
    crash.changed_attributes(f"{root}/base")
    crash.write(f"{root}/base/last-state", b"three\n")


if __name__ == "__main__":
    {"1": first, "2": second, "3": third}[sys.argv[1]](sys.argv[2])
