"""One connection for scripts, kept by one thread: what goes wrong on it costs no answer and mixes none up."""

from collections.abc import Iterator

import pytest
from cellblock_producer.calls import Line, Step, call, call_all
from cellblock_producer.scripts import Script
from redis import ConnectionError as NoConnection
from redis import Redis, ResponseError

from tests.support.valkey import ValkeyServer

COUNT = Step(Script("return {'counted', redis.call('INCR', KEYS[1])}"), ("counter",), ())
SAY = Script("return {ARGV[1]}")
FAIL = Step(Script("return redis.error_reply('OOPS it failed')"), (), ())


@pytest.fixture
def line(redis: Redis) -> Iterator[Line]:
    line = Line(redis)
    yield line
    line.close()


def say(word: str) -> Step:
    return Step(SAY, (), (word,))


def test_several_are_answered_in_their_order(line: Line) -> None:
    assert call(line, say("one")) == [b"one"]
    assert call_all(line, [say("two"), COUNT, say("three")]) == [[b"two"], [b"counted", 1], [b"three"]]


def test_an_answer_is_there_before_it_is_received(line: Line) -> None:
    line.send([say("one"), say("two")])
    while not line.answered():
        pass
    assert line.word() == b"two"
    assert line.receive() == [[b"one"], [b"two"]]
    assert not line.answered()


def test_scripts_that_the_server_forgot_are_told_again(line: Line, redis: Redis) -> None:
    assert call(line, say("one")) == [b"one"]
    redis.script_flush()
    assert call(line, say("two")) == [b"two"]
    redis.script_flush()
    line.send([say("three"), COUNT])
    while not line.word():
        line.answered()
    assert line.receive() == [[b"three"], [b"counted", 1]]


@pytest.mark.parametrize("under_way", [True, False])
def test_a_connection_that_breaks_is_made_anew(line: Line, redis: Redis, *, under_way: bool) -> None:
    assert call(line, COUNT) == [b"counted", 1]
    if under_way:
        line.send([say("one")])
    redis.client_kill_filter(_type="normal", skipme=True)
    if not under_way:
        line.send([say("one")])
    assert line.receive() == [[b"one"]]
    assert call(line, say("two")) == [b"two"]


def test_what_nobody_received_is_not_taken_for_an_answer_to_another(line: Line) -> None:
    line.send([say("one")])
    assert call(line, say("two")) == [b"two"]


def test_an_error_of_a_script_is_raised_when_all_have_run(line: Line, redis: Redis) -> None:
    for _ in range(2):
        with pytest.raises(ResponseError, match="OOPS"):
            call_all(line, [FAIL, COUNT])
        assert call(line, say("one")) == [b"one"]
    assert int(redis.get("counter") or 0) > 0


def test_a_server_that_is_away_is_no_answer(own_server: ValkeyServer) -> None:
    with own_server.connect() as redis:
        line = Line(redis)
        assert call(line, say("one")) == [b"one"]
        own_server.stop()
        line.send([say("two")])
        line.answered()
        assert line.word() == b""
        with pytest.raises(NoConnection):
            line.receive()
        own_server.start()
        assert call(line, say("three")) == [b"three"]
        line.close()
