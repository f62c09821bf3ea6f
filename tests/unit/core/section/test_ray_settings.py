"""The `ray` block: addresses without passwords, reservations that Ray accepts, no secrets."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.section.ray import RaySettings
from orchestrator.stores.section.card_yaml import parse_card

CARD = "section: mine\nscript: train.py\n"


def test_defaults_ask_for_one_cpu() -> None:
    settings = RaySettings()
    assert (settings.cores, settings.gpus, settings.mem_bytes, settings.places("auto")) == (1, 0, 0, 1)


@pytest.mark.parametrize(("mem", "size"), [("8G", 8 << 30), ("512", 512 << 20), ("3K", 3 << 10), ("1T", 1 << 40)])
def test_memory(mem: str, size: int) -> None:
    assert RaySettings(mem=mem).mem_bytes == size


@pytest.mark.parametrize(
    ("values", "places"),
    [({"num_cpus": 4.0}, 4), ({"num_cpus": 0.5}, 1), ({"num_gpus": 2.0}, 2), ({"num_gpus": 0.5, "num_cpus": 8.0}, 1)],
)
def test_places(values: dict[str, Any], places: int) -> None:
    assert RaySettings(**values).places("auto") == places
    assert RaySettings(**values).places("cpu") == RaySettings(**values).cores


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            ("address", bad)
            for bad in ("head:8265", "ray://head:10001", "http://ana:pw@head:8265", "http://h x", "auto")
        ),
        *(("storage", bad) for bad in ("/shared", "file://relative", "file:///a\nb", "s3://", "s3://ana:pw@bucket/x")),
        *(("storage", bad) for bad in ("s3://bucket/x?key=1", "file:///shared/../etc")),
        *(("num_cpus", bad) for bad in (-1.0, float("nan"), float("inf"), 1.5)),
        *(("num_gpus", bad) for bad in (-0.5, 2.5)),
        ("resources", {"TPU": -1.0}),
        *(("mem", bad) for bad in ("0", "8 G", "lots", "8g")),
        *(("pip", bad) for bad in (("a\nb",), ("",))),
        *(("python", bad) for bad in ("", "a\nb")),
        *(("storage_options", {bad: "x"}) for bad in ("key", "secret", "aws_session_token", "password")),
    ],
)
def test_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=key):
        RaySettings(**{key: value})


@pytest.mark.parametrize(
    "address", ["http://head:8265", "https://ray.lab.example/cluster", "http://127.0.0.1:8265/", "http://[::1]:8265"]
)
def test_addresses(address: str) -> None:
    assert RaySettings(address=address).address == address


@pytest.mark.parametrize("storage", ["file:///shared/a folder", "s3://bucket/a/b", "gs://bucket"])
def test_storages(storage: str) -> None:
    assert RaySettings(storage=storage).storage == storage


def test_a_card_with_the_block() -> None:
    text = (
        "ray: {address: 'http://head:8265', storage: 's3://b/c', num_cpus: 2, num_gpus: 0.5, resources: {TPU: 1}, "
        "storage_options: {endpoint_url: 'http://minio:9000', anon: true}, pip: [fsspec, 's3fs>=2025']}"
    )
    card = parse_card(CARD + text, "mine.yaml")
    assert card.ray.pip == ("fsspec", "s3fs>=2025")
    assert card.ray.storage_options == {"endpoint_url": "http://minio:9000", "anon": True}
    assert hash(card.ray) == hash(parse_card(CARD + text, "mine.yaml").ray)
    with pytest.raises(BadInput, match="storage_options must hold no secrets"):
        parse_card(CARD + "ray: {storage_options: {secret: x}}", "mine.yaml")
    with pytest.raises(BadInput, match="adress"):
        parse_card(CARD + "ray: {adress: x}", "mine.yaml")
