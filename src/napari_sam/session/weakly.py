"""Callbacks that keep nobody alive."""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakMethod


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """What calls a bound method while its object lives, and does nothing once that is gone."""
    return partial(_call, WeakMethod(method))


def _call(method: WeakMethod[Callable[..., None]], *arguments: Any) -> None:
    found = method()
    if found is not None:
        found(*arguments)
