"""Lists of entity tags are read as HTTP has them."""

from __future__ import annotations

import pytest

from functions.api.etags import Tags


@pytest.mark.parametrize(
    ("text", "strongly", "weakly"),
    [
        ('"a"', True, True),
        ('"b", "a"', True, True),
        ('"b" ,\t"a",', True, True),
        (', "a",, "b"', True, True),  # empty elements are none
        ('W/"a"', False, True),
        ('"b", W/"a"', False, True),
        ("*", True, True),
        (" * ", True, True),
        ('"b"', False, False),
        ('"x,y", "a"', True, True),
        ('"A"', False, False),
        ('w/"a"', None, None),  # no tag
        ("a", None, None),
        ('"a" "b"', None, None),
        ('*, "a"', None, None),
        ('"a', None, None),
        ("", None, None),
        (",", None, None),
    ],
)
def test_a_list_names_what_it_names(text: str, strongly: bool | None, weakly: bool | None):
    tags = Tags.parse(text)
    assert (tags and tags.holds('"a"')) == strongly
    assert (tags and tags.holds_weakly('"a"')) == weakly


@pytest.mark.parametrize("text", ["*", '"a"'])
def test_what_is_not_there_is_named_by_none(text: str):
    tags = Tags.parse(text)
    assert tags
    assert not tags.holds(None)
    assert not tags.holds_weakly(None)


def test_a_version_that_is_weak_itself_is_never_the_same_byte_for_byte():
    tags = Tags.parse('W/"a"')
    assert tags
    assert not tags.holds('W/"a"')
    assert tags.holds_weakly('W/"a"')
