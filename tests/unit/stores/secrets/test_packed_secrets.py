"""A secret is found however it is packed, encoded or named; what cannot be searched is refused."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import pickle
import quopri
import random
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.secret_finding import Finding
from orchestrator.core.secret_search import SecretSearch, SecretValue
from orchestrator.kernel.files.digests import file_entry
from orchestrator.stores.secrets.content import readings
from orchestrator.stores.secrets.outgoing import Gate

KEY = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
FILLER = bytes(range(256)) * 3


def zipped(content: bytes, name: str = "member", **options: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first", b"\0" * 40)
        archive.writestr(name, content, **options)
    return buffer.getvalue()


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("member")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def notebook(content: bytes) -> bytes:
    cell = {"cell_type": "code", "source": ["import os\n", f"os.environ['NAME'] = '{content.decode()}'\n"]}
    return json.dumps({"cells": [cell], "nbformat": 4}).encode()


def commented(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = content
    return buffer.getvalue()


def as_array(code: str, content: bytes) -> bytes:
    """Its bytes as numbers of a type, behind a header of numpy."""
    return b"\x93NUMPY\1\0v\0" + struct.pack(f"{code[0]}{len(content)}{code[1]}", *content)


Packing = Callable[[bytes], bytes]
PACKINGS: dict[str, Packing] = {
    "zip": zipped,
    "zip in zip in zip in zip": lambda content: zipped(zipped(zipped(zipped(content)))),
    "zip, bzip2": lambda content: zipped(content, compress_type=zipfile.ZIP_BZIP2),
    "zip, lzma": lambda content: zipped(content, compress_type=zipfile.ZIP_LZMA),
    "zip with data before and behind": lambda content: FILLER + zipped(content) + FILLER,
    "zip within a pickle": lambda content: pickle.dumps({"a": FILLER, "z": zipped(content), "b": "x" * 90_000}),
    "name of a zip's member": lambda content: zipped(b"1", name=f"folder/{content.decode()}.txt"),
    "comment of a zip": commented,
    "npz": lambda content: zipped(b"\x93NUMPY\1\0v\0" + content.decode().encode("utf-32-le"), name="a.npy"),
    "tar": tarred,
    "tar.gz": lambda content: gzip.compress(tarred(content)),
    "gzip in tar in zip": lambda content: zipped(tarred(gzip.compress(content))),
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "zlib within a pickle": lambda content: pickle.dumps([FILLER, zlib.compress(content * 2), 5]),
    "two gzip streams": lambda content: gzip.compress(FILLER) + gzip.compress(content),
    "gzip cut short": lambda content: gzip.compress(content + bytes(9) + FILLER)[:-12],
    "pickle": lambda content: pickle.dumps({"api": content.decode(), "n": 3}),
    "pickle, a long text": lambda content: pickle.dumps({"k": content.decode() + " " * 50, "n": 3}),
    "pickle, protocol 0": lambda content: pickle.dumps({"api": content.decode()}, protocol=0),
    "notebook": notebook,
    "base64": lambda content: b"x = '" + base64.b64encode(b"user:" + content) + b"'",
    "base64, wrapped": lambda content: base64.encodebytes(b"name of the user: " + content + b" and more text"),
    "base64 twice": lambda content: base64.b64encode(base64.b64encode(b"a=" + content)),
    "base64 of gzip": lambda content: b'{"data": "' + base64.b64encode(gzip.compress(content)) + b'"}',
    "base64 of zip in a notebook": lambda content: notebook(base64.b64encode(zipped(content))),
    "base64 of UTF-16": lambda content: base64.b64encode(("$k=" + content.decode()).encode("utf-16-le")),
    "URL-safe base64": lambda content: base64.urlsafe_b64encode(b"??>>" + content),
    "UTF-16 with a mark": lambda content: ("K=" + content.decode()).encode("utf-16"),
    "UTF-16-LE": lambda content: ("K = " + content.decode() + "\n").encode("utf-16-le"),
    "UTF-16-BE": lambda content: ("K = " + content.decode() + "\n").encode("utf-16-be"),
    "UTF-32": lambda content: ("K=" + content.decode()).encode("utf-32"),
    "hexadecimal of gzip": lambda content: b"blob = bytes.fromhex('" + gzip.compress(content).hex().encode() + b"')",
    "hexadecimal of text": lambda content: b'{"a": "' + (b"name = " + content).hex().encode() + b'"}',
    "compressed text in a picture": lambda content: (
        b"\x89PNG\r\n\x1a\n\0\0\0 zTXtkey\0\0" + zlib.compress(content) + FILLER
    ),
    "escapes of JSON": lambda content: "".join(f"\\u00{one:02x}" for one in content).encode(),
    "hidden file of git": lambda content: b"[http]\n\textraheader = x: y " + content,
}
VALUES_ONLY: dict[str, Packing] = {
    "escapes of Python": lambda content: "".join(f"\\x{one:02x}" for one in content).encode(),
    "every byte quoted": lambda content: "".join(f"%{one:02x}" for one in content).encode(),
    "list of bytes": lambda content: str(list(content)).encode(),
    "list of hexadecimal bytes": lambda content: ", ".join(hex(one) for one in content).encode(),
    "octal escapes": lambda content: "".join(f"\\{one:03o}" for one in content).encode(),
    "entities of HTML": lambda content: "".join(f"&#{one};" for one in content).encode(),
    "upper case": bytes.upper,
    "UTF-16, split by quotes": lambda content: (content[:9].decode() + "' + '" + content[9:].decode()).encode("utf-16"),
    **{
        f"array of {code}": partial(as_array, code)
        for code in ("<h", ">i", "<q", ">q", "<e", ">e", "<f", ">f", "<d", ">d")
    },
    "array as JSON of floats": lambda content: json.dumps([float(one) for one in content]).encode(),
    "numbers on lines of their own": lambda content: "\r\n".join(map(str, content)).encode(),
    "numbers with semicolons": lambda content: ";".join(map(str, content)).encode(),
    "one number": lambda content: str(int.from_bytes(content, "little")).encode(),
    "base32": lambda content: base64.b32encode(b"user:" + content + b"\n"),
    "base32 with another alphabet": lambda content: base64.b32hexencode(b"user" + content).lower(),
    "base85": lambda content: base64.b85encode(b"name of the user: " + content + b"!"),
    "base85, zip": lambda content: zipped(base64.b85encode(b"n: " + content)),
    "Ascii85": lambda content: base64.a85encode(b"u:" + content + b"!", wrapcol=20),
    "base64 of UTF-16, big end first": lambda content: base64.b64encode(("k=" + content.decode()).encode("utf-16-be")),
    "base64, backwards": lambda content: base64.b64encode(b"u:" + content[::-1]),
    "quoted-printable": lambda content: quopri.encodestring(b"x" * 60 + content + b"="),
    "quoted-printable, every byte": lambda content: "".join(f"={one:02X}" for one in content).encode(),
    "hexadecimal with colons": lambda content: content.hex(":").upper().encode(),
    "hexadecimal with hyphens": lambda content: content.hex("-", 4).encode(),
    "hexadecimal on lines": lambda content: content.hex("\n").encode(),
    "backwards": lambda content: content[::-1],
    "escapes of JSON, backwards": lambda content: "".join(f"\\u{one:04x}" for one in content)[::-1].encode(),
    "escapes of JSON in binary": lambda content: b"\0\1" + "".join(f"\\u{one:04X}" for one in content).encode(),
    "escapes of JavaScript": lambda content: "".join(f"\\u{{{one:x}}}" for one in content).encode(),
    "long escapes of Python": lambda content: "".join(f"\\U{one:08x}" for one in content).encode(),
    "quoted twice in an address": lambda content: "".join(f"%25{one:02x}" for one in content).encode(),
    "every byte quoted, in binary": lambda content: b"\0" + "".join(f"%{one:02x}" for one in content).encode(),
    "split by underscores": lambda content: content[:9] + b"_" + content[9:20] + b"-" + content[20:],
    "UTF-16 in binary, at an odd place": lambda content: b"\0\1\2" + content.decode().encode("utf-16-be"),
}


def check_as_code(gate: Gate, content: bytes, tmp_path: Path) -> None:
    gate.check_code({"pkg/own.bin": content}, "digest")


def check_as_checkpoint(gate: Gate, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.zip").write_bytes(content)
    gate.check_files(tmp_path, [file_entry(tmp_path / "c.zip", tmp_path)])


@pytest.mark.parametrize("check", [check_as_code, check_as_checkpoint])
@pytest.mark.parametrize("packing", [*PACKINGS, *VALUES_ONLY])
def test_a_secret_in_use_is_found_in_every_packing(
    tmp_path: Path, packing: str, check: Callable[[Gate, bytes, Path], None]
) -> None:
    gate = Gate(lambda: (SecretValue(name="KAGGLE_KEY", value=KEY),))
    with pytest.raises(BadInput, match="KAGGLE_KEY") as fault:
        check(gate, {**PACKINGS, **VALUES_ONLY}[packing](KEY.encode()), tmp_path)
    shown = str(fault.value) + fault.value.remedy
    assert KEY not in shown and "allow it" not in shown


@pytest.mark.parametrize("check", [check_as_code, check_as_checkpoint])
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_likely_secret_is_found_in_every_packing(
    tmp_path: Path, packing: str, check: Callable[[Gate, bytes, Path], None]
) -> None:
    with pytest.raises(BadInput, match="Hugging Face token") as fault:
        check(Gate(lambda: ()), PACKINGS[packing](TOKEN.encode()), tmp_path)
    assert TOKEN not in str(fault.value) + fault.value.remedy


@pytest.mark.parametrize("value", ["pa$$w<o>rd&'42'", "dépêche-é-42!", "a/b+c=d?e%f 9"])
def test_a_password_with_odd_characters_is_found(value: str) -> None:
    gate = Gate(lambda: (SecretValue(name="SMTP_PASSWORD", value=value),))
    for text in (value, quote(value), quote(value, safe=""), html.escape(value), json.dumps(value), ascii(value)):
        with pytest.raises(BadInput, match="SMTP_PASSWORD"):
            gate.check_code({"a.txt": f"x {text} y".encode()}, text)


@pytest.mark.parametrize("before", range(20))
@pytest.mark.parametrize("length", [16, 17, 18, 19, 40])
def test_a_secret_is_found_wherever_it_begins(before: int, length: int) -> None:
    """Blocks of encodings have 3, 4 or 5 bytes, and a content is looked at in groups of 8."""
    value = (KEY + KEY[::-1])[:length]
    search = SecretSearch([SecretValue(name="KEY", value=value)])
    content = b"abcdefghijklmnopqrstuvw"[:before] + value.encode() + b" and more"
    shapes = (bytes, base64.b64encode, base64.b32encode, base64.b85encode, base64.a85encode, bytes.hex)
    for encode in shapes:
        made = encode(content)
        for found in (made.encode() if isinstance(made, str) else made, b"\0" * before + bytes(content).hex().encode()):
            assert list(search.of_values("f", found)), (encode, before)


@pytest.mark.parametrize("value", ["test-password-for-the-ci", "correct horse battery"])
def test_a_phrase_is_searched_only_as_it_is_spelled(value: str) -> None:
    search = SecretSearch([SecretValue(name="SMTP_PASSWORD", value=value)])
    words = value.replace(" ", "-").split("-")
    for text in ("_".join(words), ".".join(words), "/".join(words)):
        assert not list(search.of_values("f", f"def {text}(): pass".encode()))
    for content in (
        value.encode(),
        value.encode().hex(":").encode(),
        as_array("<q", value.encode()),
        quote(value).encode(),
    ):
        assert list(search.of_values("f", content))


def test_the_search_of_a_large_file_does_not_depend_on_the_number_of_secrets() -> None:
    content = random.Random(5).randbytes(1 << 20)
    values = [SecretValue(name=f"K{one}", value=f"{one:032x}"[::-1] + KEY) for one in range(40)]
    one, all_of_them = SecretSearch(values[:1]), SecretSearch(values)
    durations = [[_seconds(partial(search.of_values, "f", content)) for _ in range(3)] for search in (one, all_of_them)]
    assert min(durations[1]) < 10 * min(durations[0])


def _seconds(search: Callable[[], Iterator[Finding]]) -> float:
    began_s = time.process_time()
    assert not list(search())
    return time.process_time() - began_s


def test_a_secret_in_the_name_of_a_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    for secret, gate in (
        (KEY, Gate(lambda: (SecretValue(name="KAGGLE_KEY", value=KEY),))),
        (TOKEN, Gate(lambda: ())),
    ):
        with pytest.raises(BadInput, match="the name of") as fault:
            gate.check_code({f"data/{secret}.txt": b"1"}, "digest")
        assert secret not in str(fault.value)
        (tmp_path / f"{secret}.zip").write_bytes(b"1")
        with pytest.raises(BadInput, match="the name of"):
            gate.check_files(tmp_path, [file_entry(tmp_path / f"{secret}.zip", tmp_path)])


def encrypted(content: bytes) -> bytes:
    """A zip whose member claims to be encrypted."""
    raw = bytearray(zipped(content))
    for magic, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = raw.rindex(magic)
        raw[at + offset] |= 1
    return bytes(raw)


@pytest.mark.parametrize(
    "content",
    [
        b"7z\xbc\xaf\x27\x1c\0\4" + FILLER,
        b"Rar!\x1a\x07\x01\x00" + FILLER,
        b"\x28\xb5\x2f\xfd\x04\x00" + FILLER,
        b"\x04\x22\x4d\x18\x64\x40" + FILLER,
        zipped(b"7z\xbc\xaf\x27\x1c\0\4" + FILLER),
        encrypted(b"x" * 99),
    ],
    ids=["7z", "rar", "zstd", "lz4", "7z in zip", "encrypted zip"],
)
def test_what_cannot_be_searched_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="cannot be searched"):
        Gate(lambda: ()).check_code({"data.bin": content}, "digest")


def test_an_archive_that_unpacks_to_too_much_is_refused_without_unpacking_it() -> None:
    bomb = zipped(gzip.compress(bytes(3_000_000)))
    found = list(readings("bomb.zip", bomb, most_bytes=1_000_000))
    assert found[-1].trouble and sum(len(one.content) for one in found) < 1_000_000


def test_an_archive_in_too_many_others_is_refused() -> None:
    content = KEY.encode()
    for _ in range(9):
        content = zipped(content)
    with pytest.raises(BadInput, match="archive in 6 others"):
        Gate(lambda: ()).check_code({"deep.zip": content}, "digest")
