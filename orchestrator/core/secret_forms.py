"""Encodings of a secret, without the signs that may stand between its characters.

Letters and digits of most encodings depend on the value alone; quotes, commas, colons, line ends, zero bytes and escape
signs are a matter of style. So contents and encodings are compared without them: one form finds the hexadecimal digits
`39:66`, `39 66`, `%39%66` and `=39=66`, and one the text in UTF-8, UTF-16, UTF-32 or arrays of whole numbers.
"""

from __future__ import annotations

import base64
import html
import json
import struct
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Shorter values occur in harmless files by chance."""
SHORTEST_CORE = 10
SHORTEST_COMPACT = 15
"""So long is a form that holds a whole group of eight bytes, wherever it stands in a content."""
_GROUP, _LOOKED_AT = 8, 512
_LONGEST_NUMBER = 1024
"""Bytes of a value that may be written as one number; Python converts at most 4300 digits."""
_LOWERED = bytes(range(256)).lower()
SIGNS = bytes(sign for sign in range(128) if not chr(sign).isalnum())
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE85 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_NUMBERS = ("{}", "{}0", "{:03o}", "0o{:o}")
"""Decimal, also as `57.0`, and octal."""
_HEXADECIMAL = ("{:02x}", "{:x}", "0x{:02x}", "0x{:x}", "x{:02x}", "x{:x}", "25{:02x}")
"""Digits alone (also after `%` and `=`), as in C, in escapes and entities, and in an address that is escaped twice."""
_CHARACTERS = ("u{:04x}", "u{:08x}", "u{:x}", "{}", "x{:x}")
"""Escapes of JSON, Python, JavaScript and HTML for characters."""
_WHOLE, _FLOATS = ("<{}h", ">{}h", "<{}i", ">{}i", "<{}q", ">{}q"), ("<{}e", ">{}e", "<{}f", ">{}f", "<{}d", ">{}d")
"""Arrays of whole numbers and of floats. Source of the codes: `struct` in Python's library reference."""


def compact(content: bytes) -> bytes:
    """A content without signs and in lower case; line ends are removed too."""
    return content.translate(_LOWERED, SIGNS)


def is_random(value: str) -> bool:
    """Whether a value is no phrase, which code may spell with other signs between its words."""
    return any(one.isdigit() for one in value) and any(one.isalpha() for one in value)


def groups_in(forms: Iterable[bytes]) -> frozenset[int]:
    """Groups of eight bytes, as numbers: of each compact form the most varied one for each place at which it may begin.

    A content is looked at in whole groups, so a form in it shows one of its eight.
    """
    chosen = []
    for form in forms:
        for first in range(_GROUP):
            starts = range(first, min(len(form), _LOOKED_AT) - _GROUP + 1, _GROUP)
            chosen.append(max((form[at : at + _GROUP] for at in starts), key=lambda group: len(set(group))))
    return frozenset(memoryview(b"".join(chosen)).cast("Q"))


def may_hold(searched: bytes, groups: frozenset[int]) -> bool:
    """Whether a compact content can hold a form: one look at each eight bytes, however many forms there are."""
    whole = len(searched) - len(searched) % _GROUP
    return not groups.isdisjoint(memoryview(searched)[:whole].cast("Q"))


def spellings(value: str) -> list[bytes]:
    """Encodings of a value: plain, base64, hexadecimal, UTF-16, UTF-32; escaped for addresses, JSON, HTML, Python."""
    plain = value.encode("utf-8", "surrogateescape")
    forms = [
        plain,
        quote(plain).encode("ascii"),
        quote(plain, safe="").encode("ascii"),
        quote_plus(plain).encode("ascii"),
    ]
    forms += [json.dumps(value)[1:-1].encode("ascii")]
    forms += [html.escape(value).encode("utf-8", "surrogateescape"), "".join(f"%{one:02X}" for one in plain).encode()]
    forms += ["".join(f"\\x{one:02x}" for one in plain).encode()]
    forms += [value.encode("ascii", "backslashreplace")]
    forms += [plain.hex().encode("ascii"), plain.hex().upper().encode("ascii")]
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        forms.append(value.encode(encoding, "surrogatepass"))
    encoded = (plain, value.encode("utf-16-le", "surrogatepass"))
    for core in (core for one in encoded for core in _base64(one) if len(core) >= SHORTEST_CORE):
        forms += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    return list(dict.fromkeys(form for form in forms if len(form) >= SHORTEST))


def listings(value: str) -> Iterator[bytes]:
    """A value as a list of its bytes, as it looks without blanks, commas and backslashes: numbers, entities, octal."""
    plain = value.encode("utf-8", "surrogateescape")
    for form in ("{}", "0x{:02x}", "0x{:x}", "&#{};", "&#x{:x};", "{:03o}"):
        yield "".join(form.format(one) for one in plain).encode()


def whole_arrays(value: str) -> Iterator[bytes]:
    """The value as arrays of whole numbers; compact, they show its text."""
    numbers = [ord(one) for one in value]
    if max(numbers) < 1 << 15:
        yield from (struct.pack(form.format(len(numbers)), *numbers) for form in _WHOLE)


def encoded_forms(value: str) -> Iterator[bytes]:
    """Encodings of a value that do not show its text, not compact yet."""
    plain = value.encode("utf-8", "surrogateescape")
    characters = [ord(one) for one in value]
    for form in (*_NUMBERS, *_HEXADECIMAL):
        yield (listed := "".join(map(form.format, plain)).encode())
        yield listed[::-1]
    for form in _CHARACTERS:
        yield (listed := "".join(map(form.format, characters)).encode())
        yield listed[::-1]
    if len(plain) <= _LONGEST_NUMBER:
        yield from (str(int.from_bytes(one, "big")).encode() for one in (plain, plain[::-1]))
    for numbers in (list(plain), characters):
        if max(numbers) < 1 << 11:  # exact in each of them
            yield from (struct.pack(form.format(len(numbers)), *numbers) for form in _FLOATS)
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        encoded = value.encode(encoding, "surrogateescape" if encoding == "utf-8" else "surrogatepass")
        yield from (form for one in (encoded, encoded[::-1]) for form in _base64(one))
        yield from _base32(encoded)
        yield from _base85(encoded)


def _base64(plain: bytes) -> Iterator[bytes]:
    yield from _cores(plain, 3, 6, base64.b64encode)


def _base32(plain: bytes) -> Iterator[bytes]:
    for core in _cores(plain, 5, 5, base64.b32encode):
        yield core
        yield core.translate(bytes.maketrans(_BASE32, b"0123456789ABCDEFGHIJKLMNOPQRSTUV"))
        yield core.translate(bytes.maketrans(_BASE32, _CROCKFORD))


def _cores(plain: bytes, block: int, bits: int, encode: object) -> Iterator[bytes]:
    """The characters that depend on the value alone, wherever it begins in a block of bytes."""
    assert callable(encode)
    for before in range(block):
        encoded = encode(bytes(before) + plain)
        yield encoded[-(-before * 8 // bits) : (before + len(plain)) * 8 // bits]


def _base85(plain: bytes) -> Iterator[bytes]:
    """The whole groups of four bytes inside the value: Python's and git's alphabet, Ascii85, and Z85."""
    for skipped in range(4):
        inside = plain[skipped : skipped + (len(plain) - skipped) // 4 * 4]
        core = base64.b85encode(inside)
        yield from (core, core.translate(bytes.maketrans(_BASE85, _Z85)), base64.a85encode(inside))
