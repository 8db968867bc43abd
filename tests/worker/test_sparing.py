"""Lines that are alike: so many in full, then their number."""

import logging
from collections.abc import Iterator

import pytest
from cellblock_worker.sparing import LONGEST, Sparing


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def sparing(told: Told) -> Iterator[Sparing]:
    sparing = Sparing(lines=2, window_s=3600)
    _log.propagate = False
    _log.setLevel(logging.INFO)
    _log.handlers, _log.filters = [told], [sparing]
    yield sparing
    sparing.tell()


_log = logging.getLogger("tests.sparing")


def test_the_rest_is_counted_by_kind(told: Told, sparing: Sparing) -> None:
    for number in range(10):
        _log.warning("dropped %d", number)
    _log.error("another")
    assert told.lines == ["dropped 0", "dropped 1", "another"]
    sparing.tell()
    assert told.lines[3:] == ["8 more lines within a minute: dropped %d"]
    _log.warning("dropped %d", 10)
    sparing.tell()
    assert told.lines[4:] == ["dropped 10"]


def test_a_long_line_is_cut(told: Told, sparing: Sparing) -> None:
    _log.warning("ids: %s", "x" * 100_000)
    assert len(told.lines[0]) == LONGEST + 1
