#!/usr/bin/env python3
"""Writes 16384 bytes that are full of branches of one machine, for the filters of xz: branches.py MACHINE"""

import random
import struct
import sys

random_ = random.Random(sys.argv[1])
LENGTH = 16384


def number(bits: int) -> int:
    return random_.getrandbits(bits)


def x86() -> bytes:
    """Opcodes anywhere, within the operands of others too, and targets near and far."""
    return bytes(random_.choice([0xE8, 0xE9, 0x00, 0xFF, 0x90, number(8)]) for _ in range(16))


def ia64() -> bytes:
    bundle = random_.choice([*range(32), 0x10, 0x12, 0x16, 0x18, 0x1C])
    for slot in range(3):
        instruction = number(41)
        if number(2):
            instruction = instruction & ~(0xF << 37 | 7 << 9) | 5 << 37
        bundle |= instruction << 5 + 41 * slot
    return bundle.to_bytes(16, "little")


MACHINES = {
    "x86": x86,
    "ia64": ia64,
    "powerpc": lambda: struct.pack(">I", random_.choice([0x48000001 | number(26) & ~3, number(32)])),
    "arm": lambda: struct.pack("<I", random_.choice([0xEB000000 | number(24), number(32)])),
    "armthumb": lambda: struct.pack("<HH", 0xF000 | number(11), random_.choice([0xF800 | number(11), number(16)])),
    "sparc": lambda: struct.pack(">I", random_.choice([0x40000000 | number(22), 0x7FC00000 | number(22), number(32)])),
    "arm64": lambda: struct.pack(
        "<I", random_.choice([0x94000000 | number(26), 0x90000000 | number(5) | number(3) << 29 & 1 << 29, 0x90000000 | number(29), 0x90E00000 | number(21)])
    ),
}

out = b""
while len(out) < LENGTH:
    out += MACHINES[sys.argv[1]]()
sys.stdout.buffer.write(out[:LENGTH])
