"""How much memory the reading of a file may take: four times its size, and `SPARE`."""

SPARE = 1 << 24  # bytes


def memory_of_json(text: bytes) -> int:
    """About the bytes of memory that the objects in JSON take; measured, and rather too many."""
    marks = {b"[": 96, b'["': -96, b"{": 96, b",": 32, b'"': 48}  # a list of a key soon goes
    return sum(size * text.count(mark) for mark, size in marks.items())
