"""Signals wait for what must be whole, and are then what they were."""

import signal
import threading

import pytest

from recsys_cli.training.interruption import signals_held


class Terminated(BaseException):
    pass


@pytest.fixture
def handled():
    """SIGTERM raises within the test."""

    def handle(number, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    yield handle
    signal.signal(signal.SIGTERM, before)


def test_a_signal_within_the_block_arrives_after_it(handled):
    done = []
    with pytest.raises(Terminated), signals_held():
        signal.raise_signal(signal.SIGTERM)
        done.append("whole")
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGTERM) is handled


def test_ctrl_c_is_still_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt), signals_held():
        signal.raise_signal(signal.SIGINT)


def test_a_second_signal_does_not_wait(handled):
    done = []
    with pytest.raises(Terminated), signals_held():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        done.append("never")
    assert done == []


def test_without_a_signal_nothing_is_raised_and_handlers_are_as_before(handled):
    with signals_held():
        assert signal.getsignal(signal.SIGTERM) is not handled
    assert signal.getsignal(signal.SIGTERM) is handled


def test_other_threads_hold_nothing():
    seen = []

    def work():
        with signals_held():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
