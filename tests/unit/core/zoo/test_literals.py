"""Texts such as `dict(net_arch=[64, 64])`: what is read, and that nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.zoo.classes import CLASSES
from orchestrator.core.zoo.literals import MOST_CHARS, LiteralFault, read_literal

RELU = CLASSES["nn.ReLU"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dict(net_arch=[400, 300])", {"net_arch": [400, 300]}),
        ("dict(net_arch=dict(pi=[64,], vf=[]), log_std_init=-2, ortho_init=False,)", None),
        (" {'norm_obs': True, 'norm_reward': False} ", {"norm_obs": True, "norm_reward": False}),
        ("dict(activation_fn=nn.ReLU)", {"activation_fn": RELU}),
        ("dict(activation_fn=torch.nn.ReLU)", {"activation_fn": RELU}),
        ("dict(activation_fn=th.nn.ReLU)", {"activation_fn": RELU}),
        ("dict(optimizer_class=RMSpropTFLike, optimizer_kwargs=dict(eps=1e-5))", None),
        ("(1, 'episode')", (1, "episode")),
        ("dict({'a': 1}, b='x' 'y')", {"a": 1, "b": "xy"}),
        ("tuple([1, +2.5]), list((None, -0x10))", ((1, 2.5), [None, -16])),
        ("dict()", {}),
        ("1_000_000", 1_000_000),
        ("dict(\n    goal_selection_strategy='future',\n  n_sampled_goal=4\n)", None),
    ],
)
def test_literals_are_read(text: str, value: Any) -> None:
    found = read_literal(text)
    if value is None:
        assert isinstance(found, dict) and len(found) >= 2
    else:
        assert found == value and type(found) is type(value)


def test_a_class_keeps_its_name_and_module() -> None:
    found = read_literal("dict(optimizer_class=RMSpropTFLike)")["optimizer_class"]
    assert found.path == "stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike"
    assert (RELU.path, RELU.word, CLASSES["leaky_relu"].name) == ("torch.nn.ReLU", "relu", "LeakyReLU")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("__import__('os').system('touch x')", "__import__('os').system(...) is not allowed"),
        ("dict(a=open('x'))", "open(...) is not allowed: only dict, list, tuple are (character 8)"),
        ("[x for x in range(9)]", "is not allowed: only literals are read, nothing is run (character 1)"),
        ("dict(a=lambda: 1)", "lambda: 1 is not allowed"),
        ("dict(a=(b := 1))", "is not allowed"),
        ("f'{1}'", "is not allowed"),
        ("b'x'", "is no number and no text"),
        ("1j", "is no number and no text"),
        ("2 ** 9999999", "is not allowed"),
        ("'a' * 10 ** 9", "is not allowed"),
        ("-'a'", "is no number"),
        ("not True", "is no number"),
        ("1e999", "too large"),
        ("dict(a=1, a=2)", "keyword argument repeated: a|a is given twice"),
        ("{'a': 1, 'a': 2}", "a is given twice (character 10)"),
        ("{1: 2}", "a key must be a text"),
        ("{**{'a': 1}}", "a key must be a text"),
        ("dict(**{'a': 1})", "** is not allowed"),
        ("dict([('a', 1)])", "dict(...) takes name=value"),
        ("dict({}, {})", "dict(...) takes one value and name=value"),
        ("list(1)", "list(...) takes a list"),
        ("tuple(a=1)", "tuple(...) takes one value"),
        ("dict(activation_fn=nn.Relu)", "did you mean nn.ReLU? (character 20)"),
        ("dict(activation_fn=nn.Module)", "the name nn.Module is not known"),
        ("os.environ", "the name os.environ is not known"),
        ("dict(\n a=1,\n b=x)", "the name x is not known; known are torch's activations and optimizers, as nn.ReLU"),
        ("dict(a=[1, 2)", "no Python literal at character"),
        ("", "no Python literal"),
        ("import os", "no Python literal"),
        ("a\x00", "no Python literal"),
        ("9" * 5000, "no Python literal"),
        ("'" + "x" * MOST_CHARS, "at most 10000 are read"),
    ],
)
def test_everything_else_is_refused_with_its_place(text: str, named: str) -> None:
    with pytest.raises(LiteralFault) as caught:
        read_literal(text)
    assert any(one in str(caught.value) for one in named.split("|"))


@pytest.mark.parametrize("text", ["[" * 150 + "]" * 150, "-" * 9000 + "1", "a" + ".a" * 4900, "(" * 9000, "~" * 9999])
def test_deep_texts_are_refused_without_a_crash(text: str) -> None:
    with pytest.raises(LiteralFault, match=r"deep|no Python literal"):
        read_literal(text)
