"""Waiting for what runs in a loop of its own, from where one may be running already, such as in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end, in a thread of its own, and give what it gives. Raises what it raises."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, work).result()
