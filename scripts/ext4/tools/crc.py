"""The two checksums of jbd2: CRC-32C (reflected) and CRC-32 with the high bit first."""

CASTAGNOLI_REFLECTED = 0x82F63B78
CRC32_POLYNOMIAL = 0x04C11DB7


def _reflected_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (CASTAGNOLI_REFLECTED if value & 1 else 0)
    return value


def _forward_entry(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = ((value << 1) ^ (CRC32_POLYNOMIAL if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


_REFLECTED = [_reflected_entry(value) for value in range(256)]
_FORWARD = [_forward_entry(value) for value in range(256)]


def crc32c(seed: int, data: bytes) -> int:
    """CRC-32C without the final inversion, continued from `seed`."""
    for byte in data:
        seed = _REFLECTED[(seed ^ byte) & 0xFF] ^ (seed >> 8)
    return seed


def crc32_be(seed: int, data: bytes) -> int:
    """CRC-32, most significant bit first, without the final inversion."""
    for byte in data:
        seed = _FORWARD[(seed >> 24) ^ byte] ^ ((seed << 8) & 0xFFFFFFFF)
    return seed
