"""Errors are sentences, and carry their exit code."""

from __future__ import annotations

import inspect

import pytest

from bluelamp import errors
from bluelamp.errors import BadData, BluelampError, count_of, did_you_mean, one_of

KINDS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, BluelampError)]


def test_an_error_is_its_sentence_and_all_its_problems():
    error = BadData("calls.csv can't be used yet. 2 things to put right:", ["'a' is missing.", "'b' is empty."])
    assert str(error) == "calls.csv can't be used yet. 2 things to put right:\n  - 'a' is missing.\n  - 'b' is empty."
    assert error.problems == ("'a' is missing.", "'b' is empty.")
    assert str(BadData("Nothing to read.")) == "Nothing to read."


def test_scripts_can_tell_kinds_apart_by_the_exit_codes_that_are_promised():
    codes = {kind.__name__: kind.exit_code for kind in KINDS}
    assert codes == {
        "BluelampError": 1, "UsageError": 2, "BadData": 65, "NoInput": 66, "InputOutputError": 74, "NoRoom": 74,
        "TryAgain": 75, "NotPermitted": 77, "BadSettings": 78,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_caught_as_one(kind):
    with pytest.raises(BluelampError, match="what is wrong"):
        raise kind("what is wrong", ["where"])
    assert kind.__doc__


@pytest.mark.parametrize(
    ("number", "noun", "plural", "said"),
    [
        (0, "row", None, "0 rows"),
        (1, "row", None, "1 row"),
        (1_234_567, "row", None, "1,234,567 rows"),
        (2, "day", "days", "2 days"),
        (1, "entry", "entries", "1 entry"),
        (3, "entry", "entries", "3 entries"),
    ],
)
def test_numbers_agree_with_their_nouns(number, noun, plural, said):
    assert count_of(number, noun, plural) == said


def test_the_nearest_known_word_is_offered_and_nothing_where_none_is_near():
    assert did_you_mean("incident", ["areas", "incidents"]) == " Did you mean 'incidents'?"
    assert did_you_mean("zebra", ["areas", "incidents"]) == ""
    assert did_you_mean("x", []) == ""


def test_choices_are_listed_as_people_say_them():
    assert one_of(["a"]) == "'a'"
    assert one_of(["a", "b"]) == "'a' or 'b'"
    assert one_of(iter("abc")) == "'a', 'b' or 'c'"
    assert one_of([]) == "nothing"
