"""A result that takes long is made once per state, never twice at a time, and nobody waits for a newer one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bluelamp.errors import NoInput
from bluelamp.web.kept_fresh import KeptFresh


def test_many_who_come_at_once_wait_for_one_result():
    made: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def make() -> int:
        made.append(1)
        begun.set()
        go.wait(10)
        return len(made)

    kept = KeptFresh(make, lambda: "a")
    with ThreadPoolExecutor(8) as many:
        asked = [many.submit(kept.get) for _ in range(8)]
        begun.wait(10)
        go.set()
        assert {each.result(10).value for each in asked} == {1}
    assert made == [1]


def test_while_a_new_one_is_made_the_last_one_is_given_and_only_one_is_made():
    state, made, go = ["a"], [], threading.Event()

    def make() -> str:
        made.append(state[0])
        if len(made) > 1:
            go.wait(10)
        return made[-1]

    kept = KeptFresh(make, lambda: state[0])
    assert kept.get().value == "a"
    state[0] = "b"
    for _ in range(5):
        found = kept.get()
        assert (found.value, found.is_old) == ("a", True)
    go.set()
    kept.wait(10)
    assert (kept.get().value, kept.get().is_old) == ("b", False)
    assert made == ["a", "b"]


def test_what_fails_later_leaves_the_last_one_and_says_why_and_is_not_tried_again_for_the_same_state():
    state, made = ["a"], []

    def make() -> str:
        made.append(state[0])
        if state[0] == "b":
            raise NoInput("The run is gone.")
        return state[0]

    kept = KeptFresh(make, lambda: state[0])
    kept.get()
    state[0] = "b"
    kept.get()
    kept.wait(10)
    assert (kept.get().value, kept.get().problem) == ("a", "The run is gone.")
    assert made == ["a", "b"]
    state[0] = "c"
    kept.get()
    kept.wait(10)
    assert (kept.get().value, kept.get().problem) == ("c", None)


def test_what_fails_at_first_is_raised_and_tried_again():
    made: list[int] = []

    def make() -> int:
        made.append(1)
        if len(made) == 1:
            raise NoInput("There is no run yet.")
        return len(made)

    kept = KeptFresh(make, lambda: "a")
    with pytest.raises(NoInput):
        kept.get()
    assert kept.get().value == 2
