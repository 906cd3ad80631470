"""Pickles: the stack machine itself, whatever the names in a file stand for."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from virb.core.pickles import BrokenPickle, Budget, Inert, Machine


class Nothing:
    """Every name, call, state and reference stands for nothing."""

    def named(self, dotted: str) -> str:
        return dotted

    def called(self, dotted: str, arguments: tuple[Any, ...]) -> Any:
        return None

    def built(self, target: Any, state: Any) -> None:
        return None

    def referred(self, identity: Any) -> Any:
        return None


def read(pickled: bytes, plain: bool = False, budget: Budget | None = None) -> Any:
    return Machine(Nothing(), budget or Budget(1_000), plain).run(pickled)


def around_itself(length: int) -> list[Any]:
    """Return a list in a tuple in that list: pickle takes back what it began to write."""
    whole: list[Any] = []
    whole.append((whole,) * length)
    return whole


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("plain", [True, False])
def test_data_come_back_as_python_wrote_them_in_every_protocol(protocol: int, plain: bool) -> None:
    data = {"a": [1, -2, 1 << 80, True, None, 2.5], "b": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "c": {"d": {}}}
    assert read(pickle.dumps(data, protocol), plain) == data


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_tuple_that_holds_itself_is_read(protocol: int, length: int) -> None:
    pickled = pickle.dumps({"a": around_itself(length)[0]}, protocol)
    (first, *others) = read(pickled)["a"]
    assert len(others) == length - 1
    assert isinstance(first, list)
    assert len(first[0]) == length


BROKEN = [b"\x85.", b"K\x01\x86.", b"(K\x01\x86.", b"(q\x00.", b"(2.", b"N(.", b"N(b.", b"]K\x01(a.", b"Ne.",
          b".", b"Nu.", b"}(K\x01u.", b"K\x01K\x02K\x03s.", b"NK\x01a.", b"N)R.", b"K\x01K\x02\x93.",
          b"\x80\x7fN."]  # fmt: skip


@pytest.mark.parametrize("program", BROKEN)
@pytest.mark.parametrize("plain", [True, False])
def test_what_pythons_own_reader_finds_broken_is_broken_here(program: bytes, plain: bool) -> None:
    with pytest.raises((pickle.UnpicklingError, ValueError, TypeError, AttributeError, EOFError, IndexError)):
        pickle.loads(program)
    with pytest.raises(BrokenPickle):
        read(program, plain)


@pytest.mark.parametrize(
    "program", [b"\x82\x01.", b"(i__main__\nX\n.", b"(c__main__\nX\no.", b"\x96" + b"\0" * 8 + b"."]
)
def test_operations_that_no_file_needs_are_refused(program: bytes) -> None:
    with pytest.raises(BrokenPickle, match="which no file of this kind needs"):
        read(program)


@pytest.mark.parametrize("program", [b"N0N.", b"N2.", b"(1N.", b"\x8f.", b"(\x91.", b"cm\nx\n)\x81.", b"}K\x01Ns."])
def test_plain_data_are_no_sets_no_new_objects_and_no_dicts_of_numbers(program: bytes) -> None:
    read(program)
    with pytest.raises(BrokenPickle):
        read(program, plain=True)


def test_keys_that_are_no_texts_or_numbers_are_dropped_unhashed() -> None:
    forever = b"K\x01" + b"q\xffh\xff\x86" * 60
    assert read(b"}K\x01Ns" + forever + b"NsX\x01\x00\x00\x00aNs.") == {1: None, "a": None}
    assert isinstance(read(b"\x8f(" + forever + b"\x90."), Inert)
    assert isinstance(read(b"(" + forever + b"\x91."), Inert)


def test_steps_and_bits_of_integers_are_bounded() -> None:
    assert read(b"NNN.", budget=Budget(4)) is None
    with pytest.raises(BrokenPickle, match="more than 3 steps"):
        read(b"NNN.", budget=Budget(3))
    for number in (1 << 16, -(1 << 16)):
        assert read(pickle.dumps(number, 2), budget=Budget(10, bits=16)) == number
        with pytest.raises(BrokenPickle, match="more than 15 bits"):
            read(pickle.dumps(number, 2), budget=Budget(10, bits=15))
