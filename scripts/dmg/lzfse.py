#!/usr/bin/env python3
"""An encoder of LZFSE for tests, written from the description of the format alone.

It shows every kind of block and every instruction, and compresses no better than it has to.

usage: lzfse.py KIND < content > stream    with KIND one of plain, lzvn, v1, v2, mixed
"""

import random
import struct
import sys

from matches import triples

L_BITS = [0] * 16 + [2, 3, 5, 8]
L_BASE = list(range(16)) + [16, 20, 28, 60]
M_BITS = [0] * 16 + [3, 5, 8, 11]
M_BASE = list(range(16)) + [16, 24, 56, 312]
D_BITS = [index // 4 for index in range(64)]
D_BASE = [sum(1 << bits for bits in D_BITS[:index]) for index in range(64)]
MAX_L, MAX_M, MAX_D = 315, 2359, 262139

END = b"bvx$"


def plain(content: bytes) -> bytes:
    return b"bvx-" + struct.pack("<I", len(content)) + content


def lzvn(content: bytes, seed: int = 0, before: bytes = b"") -> bytes:
    """One LZVN block. Where several instructions say the same, chance chooses."""
    rng = random.Random(seed)
    out = bytearray()
    last = 0
    at = 0

    def literals(data: bytes) -> None:
        nonlocal out
        while data:
            take = rng.choice([min(len(data), 15), min(len(data), 271)])
            if take >= 16:
                out += bytes([0xE0, take - 16]) + data[:take]
            else:
                out += bytes([0xE0 + take]) + data[:take]
            data = data[take:]

    def match(length: int) -> None:
        nonlocal out
        while length:
            take = rng.choice([min(length, 15), min(length, 271)])
            out += bytes([0xF0, take - 16]) if take >= 16 else bytes([0xF0 + take])
            length -= take

    for lits, length, distance in triples(content, 600, 900, 65535):
        if length == 0:
            literals(lits)
            continue
        if len(lits) > 3 or rng.random() < 0.2:
            keep = rng.randrange(0, min(3, len(lits)) + 1)
            literals(lits[: len(lits) - keep])
            lits = lits[len(lits) - keep :]
        if rng.random() < 0.1:
            out += rng.choice([b"\x0e", b"\x16"])
        forms = []
        # Of the first bytes LLMMMxxx, some stand for other instructions.
        small_max = {0: 10, 1: 8, 2: 6, 3: 4}[len(lits)]
        small = min(length, small_max)
        top = (len(lits) << 6) | ((small - 3) << 3)
        if distance == last:
            if len(lits) > 0:
                forms.append((small, bytes([top | 6])))
            elif length <= 900:
                match(length)
                last = distance
                continue
        if distance < 0x600:
            forms.append((small, bytes([top | (distance >> 8), distance & 0xFF])))
        if distance < 0x4000:
            take = min(length, 34)
            code = 0xA000 | (len(lits) << 11) | (((take - 3) >> 2) << 8)
            rest = ((take - 3) & 3) | (distance << 2)
            forms.append((take, bytes([code >> 8]) + struct.pack("<H", rest)))
        forms.append((small, bytes([top | 7]) + struct.pack("<H", distance)))
        take, code = rng.choice(forms)
        out += code + lits
        last = distance
        match(length - take)
    payload = bytes(out) + b"\x06" + bytes(7)
    return b"bvxn" + struct.pack("<II", len(content), len(payload)) + payload


def normalise(counts: list[int], states: int) -> list[int]:
    """Frequencies that add up to the count of states, none of those that occur being zero."""
    total = sum(counts)
    if total == 0:
        return [states] + [0] * (len(counts) - 1)
    scaled = [max(1, count * states // total) if count else 0 for count in counts]
    while sum(scaled) != states:
        largest = max(range(len(scaled)), key=lambda index: scaled[index])
        scaled[largest] += 1 if sum(scaled) < states else -1
    return scaled


class Fse:
    """Encodes symbols backwards: state after, to state before and the bits that lead back."""

    def __init__(self, frequencies: list[int], states: int):
        self.ways: list[list[tuple[int, int, int]]] = []
        state = 0
        for frequency in frequencies:
            ways = []
            if frequency:
                bits = states.bit_length() - frequency.bit_length()
                longer = ((2 * states) >> bits) - frequency
                for index in range(frequency):
                    if index < longer:
                        ways.append((state, ((frequency + index) << bits) - states, bits))
                    else:
                        ways.append((state, (index - longer) << (bits - 1), bits - 1))
                    state += 1
            self.ways.append(ways)
        assert state == states

    def before(self, symbol: int, after: int) -> tuple[int, int, int]:
        for state, base, bits in self.ways[symbol]:
            if base <= after < base + (1 << bits):
                return state, after - base, bits
        raise AssertionError(f"no state for symbol {symbol} leads to {after}")


class Bits:
    def __init__(self):
        self.value = 0
        self.count = 0

    def put(self, value: int, count: int) -> None:
        assert value < 1 << count
        self.value |= value << self.count
        self.count += count

    def payload(self, pad: int) -> tuple[bytes, int]:
        size = (self.count + 7) // 8
        return bytes(pad) + self.value.to_bytes(size, "little"), size * 8 - self.count


def symbol_of(value: int, bases: list[int]) -> int:
    return max(index for index, base in enumerate(bases) if base <= value)


def pack_frequency(value: int) -> tuple[int, int]:
    """A frequency as code and length in bits."""
    if value < 8:
        return [(0b00, 2), (0b10, 2), (0b001, 3), (0b101, 3), (0b00011, 5), (0b01011, 5), (0b10011, 5), (0b11011, 5)][value]
    if value < 24:
        return 0b0111 | ((value - 8) << 4), 8
    return 0b1111 | ((value - 24) << 4), 14


def compressed(content: bytes, version: int, pad: int = 8) -> bytes:
    """Blocks with finite state entropy. Distances reach back within each alone."""
    found = []
    for lits, length, distance in triples(content, MAX_L, MAX_M, MAX_D):
        found.append((lits, length, distance or 1))
    blocks = []
    while found:
        size = 0
        count = 0
        while count < len(found) and count < 10000 and size + len(found[count][0]) <= 39996:
            size += len(found[count][0])
            count += 1
        blocks.append(found[:count])
        found = found[count:]
    return b"".join(one_block(block, version, pad) for block in blocks)


def one_block(found, version: int, pad: int) -> bytes:
    literals = b"".join(lits for lits, _, _ in found)
    raw = sum(len(lits) + length for lits, length, _ in found)
    literals += bytes(-len(literals) % 4)
    values = []
    last = None
    for lits, length, distance in found:
        values.append((len(lits), length, 0 if distance == last else distance))
        last = distance
    counts = [[0] * 20, [0] * 20, [0] * 64, [0] * 256]
    for value in values:
        for part, bases in enumerate((L_BASE, M_BASE, D_BASE)):
            counts[part][symbol_of(value[part], bases)] += 1
    for byte in literals:
        counts[3][byte] += 1
    states = (64, 64, 256, 1024)
    frequencies = [normalise(each, size) for each, size in zip(counts, states)]
    l, m, d, u = (Fse(each, size) for each, size in zip(frequencies, states))

    bits = Bits()
    literal_states = [0, 0, 0, 0]
    for at in range(len(literals) - 1, -1, -1):
        literal_states[at % 4], value, count = u.before(literals[at], literal_states[at % 4])
        bits.put(value, count)
    literal_payload, literal_unused = bits.payload(0)

    bits = Bits()
    lmd_states = [0, 0, 0]
    for value in reversed(values):
        for part, fse, bases, extra in ((2, d, D_BASE, D_BITS), (1, m, M_BASE, M_BITS), (0, l, L_BASE, L_BITS)):
            symbol = symbol_of(value[part], bases)
            lmd_states[part], state_bits, count = fse.before(symbol, lmd_states[part])
            bits.put((state_bits << extra[symbol]) | (value[part] - bases[symbol]), count + extra[symbol])
    lmd_payload, lmd_unused = bits.payload(pad)

    flat = [value for each in frequencies for value in each]
    if version == 1:
        head = b"bvx1" + struct.pack(
            "<6Ii4HiHHH360H2x",
            raw,
            len(literal_payload) + len(lmd_payload),
            len(literals),
            len(values),
            len(literal_payload),
            len(lmd_payload),
            -literal_unused,
            *literal_states,
            -lmd_unused,
            *lmd_states,
            *flat,
        )
    else:
        packed = Bits()
        for value in flat:
            packed.put(*pack_frequency(value))
        table, _ = packed.payload(0)
        first = len(literals) | len(literal_payload) << 20 | len(values) << 40 | (7 - literal_unused) << 60
        second = sum(state << 10 * index for index, state in enumerate(literal_states))
        second |= len(lmd_payload) << 40 | (7 - lmd_unused) << 60
        third = (32 + len(table)) | lmd_states[0] << 32 | lmd_states[1] << 42 | lmd_states[2] << 52
        head = b"bvx2" + struct.pack("<IQQQ", raw, first, second, third) + table
    return head + literal_payload + lmd_payload


def encode(kind: str, content: bytes) -> bytes:
    if kind == "plain":
        return plain(content) + END
    if kind == "lzvn":
        return lzvn(content) + END
    if kind in ("v1", "v2"):
        return compressed(content, int(kind[1])) + END
    quarter = (len(content) + 3) // 4
    parts = [content[at : at + quarter] for at in range(0, len(content), quarter)]
    makers = [lambda part: compressed(part, 2), lzvn, plain, lambda part: compressed(part, 1)]
    return b"".join(make(part) for make, part in zip(makers, parts)) + END


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(sys.argv[1], sys.stdin.buffer.read()))
