"""Changes valid bytes into hostile ones: odd values at the keys of JSON, odd sizes in zips, cuts and noise anywhere."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator
from typing import Any

_MARK = "@@ here @@"
RAW = (
    *("null", "true", "5", "-1", "1.5", "1e15", '""', "[]", "[5]", "{}", '{"a": {}}', "[[1]]", '"../../x"', '"/etc/x"'),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308", str(2**53), str(2**63), str(2**64), "1" + "0" * 400),
    *('"a\\u0000b"', '"\\udc80"', '"\\ud83d"', '"\\u001b[31mred\\u001b]0;t\\u0007"', '"\\u202eabc"', '"x\\ny"'),
    *("9" * 6000, '"' + "x" * 6000 + '"', "[" * 200 + "]" * 200, '{"a":' * 200 + "1" + "}" * 200, "[" * 9000),
    *('{"a": 1, "a": 2}', "1e-999", "0.1e-400", "-0", '"9999-12-31T23:59:59+00:00"', '"0001-01-01T00:00:00+14:00"'),
)
"""JSON values, as text: JSON itself has no NaN, and no Python value has a key twice."""
_WHOLE = (
    *(b"", b"{", b"[]", b"null", b"5", b'"', b"\0" * 64, b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"<html>busy</html>"),
    *(b"[" * 50_000, b'{"a":' * 50_000, b"NaN", b"1" * 9000, b'{"a":1,"a":2}', b"PK\x05\x06" + b"\0" * 18, b"\x1b[31m"),
)


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """A hostile variant of valid bytes."""
    draw = rng.random()
    if draw < 0.05:
        return rng.choice(_WHOLE)
    if draw < 0.8 and (members := _members(seed)):
        return _zip(seed, members, rng)
    if draw < 0.75 and (changed := _json(seed, rng)) is not None:
        return changed
    return _noise(seed, rng)


def _json(seed: bytes, rng: random.Random) -> bytes | None:
    """JSON, or one line of several, with another value, another key, or one less; None for anything else."""
    try:
        return _changed(seed, rng)
    except RecursionError:  # a mutated value, deeper than Python can copy
        return None


def _changed(seed: bytes, rng: random.Random) -> bytes | None:
    lines = seed.split(b"\n")
    places = [place for place, line in enumerate(lines) if b"{" in line] if _value(seed) is None else [-1]
    if not places:
        return None
    place = rng.choice(places)
    text = seed if place < 0 else lines[place]
    start = text.find(b"{")
    plain = _value(text[start:])
    if plain is None:
        return None
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        paths = list(_paths(plain))
        if paths:
            rng.choice((_replace, _replace, _replace, _remove, _swap))(plain, rng.choice(paths), rng)
    changed = json.dumps(plain, default=str)
    while f'"{_MARK}"' in changed:
        changed = changed.replace(f'"{_MARK}"', rng.choice(RAW), 1)
    content = text[:start] + changed.encode("utf-8", "surrogatepass")
    return content if place < 0 else b"\n".join((*lines[:place], content, *lines[place + 1 :]))


def _value(text: bytes) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(inner)[:40]:
        yield (*above, key)
        if len(above) < 6:
            yield from _paths(one, (*above, key))


def _block(plain: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        plain = plain[key]
    return plain


def _replace(plain: Any, path: tuple[Any, ...], rng: random.Random) -> None:
    _block(plain, path)[path[-1]] = _MARK


def _remove(plain: Any, path: tuple[Any, ...], rng: random.Random) -> None:
    del _block(plain, path)[path[-1]]


def _swap(plain: Any, path: tuple[Any, ...], rng: random.Random) -> None:
    """Another value of the same file at this place, or a new key."""
    other = rng.choice(list(_paths(plain)))
    value = json.loads(json.dumps(_block(plain, other)[other[-1]]))
    block = _block(plain, path)
    block[rng.choice(("zzz", path[-1])) if isinstance(block, dict) else path[-1]] = value


def _members(seed: bytes) -> dict[str, bytes]:
    """The members of a zip, empty for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(seed)) as archive:
            sound = sum(one.file_size for one in archive.infolist()) < 1 << 22
            return {name: archive.read(name) for name in archive.namelist()} if sound else {}
    except Exception:  # a mutated zip may be damaged in any way
        return {}


def _zip(seed: bytes, members: dict[str, bytes], rng: random.Random) -> bytes:
    """A zip with a changed member, an odd name, another method, or changed bytes."""
    if rng.random() < 0.4:
        return _noise(seed, rng)
    name = rng.choice(list(members))
    act = rng.randrange(6)
    if act == 0:
        del members[name]
    elif act == 1:
        members[rng.choice(("../out", "/etc/x", "a\\b", "x" * 3000, "\x1b[31m", "0001-b.npy", "9.bin"))] = members[name]
    elif act == 2:
        members[name] = b"0" * rng.choice((0, 1, 70_000, 3_000_000))
    else:
        members[name] = mutated(members[name], rng)
    stream = io.BytesIO()
    method = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    )
    with zipfile.ZipFile(stream, "w", method) as archive:
        for one, content in members.items():
            archive.writestr(one, content)
    return stream.getvalue() if act != 5 else _noise(stream.getvalue(), rng)


def _noise(seed: bytes, rng: random.Random) -> bytes:
    """Bytes that are cut, doubled, overwritten or taken from a list of odd ones."""
    content = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 8))):
        start, act = rng.randrange(len(content) + 1), rng.randrange(5)
        if act == 0:
            del content[start : start + rng.choice((1, 4, 100, 10_000))]
        elif act == 1:
            content[start : start + 1] = bytes([rng.randrange(256)])
        elif act == 2:
            content[start:start] = rng.choice(RAW).encode()
        elif act == 3:
            content[start : start + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f" * 8))
        else:
            content[start:start] = content[: rng.choice((1, 50, 3000))]
    return bytes(content)
