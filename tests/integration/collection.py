# SPDX-License-Identifier: BSD-2-Clause
"""The collections of hostile input in tests/hostile/: lines of fields, in which any byte can be written."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1] / "hostile"
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(\\)|\*([0-9]+)\(((?:[^()\\]|\\\\)*)\))")


def decode(field):
    r"""\xHH is a byte, \\ a backslash, \*N(text) is text N times."""

    def replace(match):
        code, backslash, times, text = match.groups()
        if times:
            return decode(text) * int(times)
        return bytes([int(code, 16)]) if code else backslash

    return ESCAPE.sub(replace, field)


def rows(name):
    """(number of the line, outcome, fields…) of each line that is no comment."""
    for number, line in enumerate((ROOT / name).read_bytes().split(b"\n"), 1):
        if line and not line.startswith(b"#"):
            outcome, *fields = line.split(b"\t")
            yield (number, outcome.decode(), *map(decode, fields))
