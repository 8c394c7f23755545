#!/usr/bin/env python3
"""An encoder of ADC for tests, written from the description of the format alone.

usage: adc.py < content > stream
"""

import random
import sys

from matches import triples


def encode(content: bytes, seed: int = 0) -> bytes:
    rng = random.Random(seed)
    out = bytearray()
    at = 0
    for lits, length, distance in triples(content, 128, 67, 65536, min_match=3):
        if lits:
            out += bytes([0x80 + len(lits) - 1]) + lits
        at += len(lits)
        short = 3 <= length <= 18 and distance <= 1024
        if short and (length == 3 or rng.random() < 0.5):
            code = ((length - 3) << 2) | ((distance - 1) >> 8)
            out += bytes([code, (distance - 1) & 0xFF])
        elif length >= 4:
            out += bytes([0x40 + length - 4]) + (distance - 1).to_bytes(2, "big")
        elif length:
            # Too short for so long a distance.
            out += bytes([0x80 + length - 1]) + content[at : at + length]
        at += length
    return bytes(out)


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(sys.stdin.buffer.read()))
