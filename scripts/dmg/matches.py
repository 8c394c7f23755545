"""Finds repeated pieces, for the encoders here. Simple and slow: test data is small."""

import random


def triples(data: bytes, max_literals: int, max_match: int, max_distance: int, min_match: int = 4):
    """Yield (literals, match length, distance) that together make up data; the last may have no match."""
    places: dict[bytes, int] = {}
    start = at = 0
    while at < len(data):
        key = data[at : at + min_match]
        found = places.get(key) if len(key) == min_match else None
        places[key] = at
        if found is None or at - found > max_distance:
            at += 1
            if at - start == max_literals:
                yield data[start:at], 0, 0
                start = at
            continue
        length = 0
        while at + length < len(data) and length < max_match and data[found + length] == data[at + length]:
            length += 1
        yield data[start:at], length, at - found
        at += length
        start = at
    if start < len(data):
        yield data[start:], 0, 0


def sample(size: int, seed: int = 1) -> bytes:
    """Text, noise, runs, and copies from near and far."""
    rng = random.Random(seed)
    out = bytearray()
    while len(out) < size:
        kind = rng.randrange(8)
        length = rng.choice([1, 2, 3, 5, 17, 40, 300])
        if kind == 0:
            out += bytes([rng.randrange(256)]) * length * rng.choice([1, 1, 9])
        elif kind < 3:
            out += rng.randbytes(length)
        elif kind < 6:
            out += ("record %d: value %d\n" % (rng.randrange(1000), rng.randrange(77))).encode()
        elif len(out) > 0:
            distance = rng.randrange(1, min(len(out), rng.choice([8, 2000, 60000, 250000])) + 1)
            for _ in range(length):
                out.append(out[-distance])
    return bytes(out[:size])
