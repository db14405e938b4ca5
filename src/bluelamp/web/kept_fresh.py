"""A result that takes seconds to make, for many who look: made once per state, and never twice at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bluelamp.errors import BluelampError

T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A result; `is_old` while a newer one is being made, `problem` where that one could not be."""

    value: T
    is_old: bool = False
    problem: str | None = None


class KeptFresh(Generic[T]):
    """Gives the result of `make` for what `state` says now.

    Who comes first waits for it. When the state has changed since, everybody is answered from the last result, while
    one thread makes the new one.
    """

    def __init__(self, make: Callable[[], T], state: Callable[[], Hashable]) -> None:
        self._make, self._state = make, state
        self._first, self._turn = threading.Lock(), threading.Lock()
        self._last: tuple[Hashable, Kept[T]] | None = None
        self._thread: threading.Thread | None = None

    def get(self) -> Kept[T]:
        """Give the newest result there is. Raises what `make` raises where there is none yet."""
        state = self._state()
        if self._last is None:
            with self._first:
                if self._last is None:
                    self._last = state, Kept(self._make())
        with self._turn:
            of, kept = self._last
            if of == state:
                return kept
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, args=(state, kept), daemon=True)
                self._thread.start()
        return Kept(kept.value, is_old=True, problem=kept.problem)

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until nothing is being made."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _renew(self, state: Hashable, before: Kept[T]) -> None:
        try:
            found = Kept(self._make())
        except BluelampError as error:
            # It would fail again for the same state: the last result stays, and says why.
            found = Kept(before.value, problem=str(error))
        except Exception:
            found = Kept(before.value, problem="The newest data could not be worked with; the service's log says why.")
            raise
        finally:
            with self._turn:
                self._last, self._thread = (state, found), None
