"""`wait_until` ends with a value, at the limit, or with the end of the process."""

import select
import subprocess
import sys
import time

import pytest

from lab.errors import LabError
from lab.waiting import TAIL, wait_until

LIMIT_S = 60
"""A test that ends sooner did not wait for the limit."""


@pytest.fixture
def started():
    """Starts Python programs, and ends them after the test."""
    running = []

    def start(program, **options):
        pipe = subprocess.PIPE
        process = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, **options)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_value_is_returned():
    found = iter([None, 0, "", [], "found", "later"])
    assert wait_until(lambda: next(found), "a value", every_s=0) == "found"


def test_condition_already_true_is_tested_once():
    asked = []
    assert wait_until(lambda: asked.append(1) or asked, "a value", 0, every_s=LIMIT_S) == [1]


def test_limit_names_condition_and_seconds():
    with pytest.raises(LabError, match=r"^the dump begins: not within 0\.05 s$"):
        wait_until(lambda: False, "the dump begins", 0.05, every_s=0.01)


def test_error_of_condition_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0, "a number")


@pytest.mark.parametrize("options", [{}, {"text": True}], ids=["bytes", "text"])
def test_limit_quotes_output_of_running_process(started, options):
    process = started("print('halfway', flush=True); input()", **options)
    assert select.select([process.stdout], [], [], LIMIT_S)[0]
    with pytest.raises(LabError, match=r"^the program ends: not within 0 s; it printed: halfway$"):
        wait_until(lambda: False, "the program ends", 0, process=process)
    assert process.poll() is None


def test_output_can_still_be_read_after_limit(started):
    process = started("print(input())", text=True)
    with pytest.raises(LabError, match=r"not within 0 s$"):
        wait_until(lambda: False, "the program ends", 0, process=process)
    assert process.communicate("the rest") == ("the rest\n", "")


def test_process_end_without_condition_is_noticed_at_once(started):
    process = started("import sys; print('begun', flush=True); sys.exit('the disk is full')", text=True)
    began = time.monotonic()
    with pytest.raises(LabError) as caught:
        wait_until(lambda: False, "the dump begins", LIMIT_S, process=process)
    assert time.monotonic() - began < LIMIT_S / 2
    assert str(caught.value) == "the dump begins: its process ended with 1; it printed: begun\nthe disk is full"


def test_only_last_output_is_quoted(started):
    process = started(f"print('first' + 'x' * {TAIL} + 'last')", text=True)
    with pytest.raises(LabError, match=r"last$") as caught:
        wait_until(lambda: False, "the program ends", LIMIT_S, process=process)
    assert "first" not in str(caught.value)


def test_process_without_pipes_has_no_output_to_quote():
    with subprocess.Popen(["false"]) as process, pytest.raises(LabError, match=r"its process ended with 1$"):
        wait_until(lambda: False, "the program ends", LIMIT_S, process=process)


def test_condition_fulfilled_at_process_end_counts(started):
    """The process ends after `wait_until` polls its status, and before the condition is tested."""
    process, asked = started("input()"), []

    def holds():
        asked.append(1)
        if len(asked) == 1:
            process.communicate(b"\n")
        return len(asked) > 1

    assert wait_until(holds, "the program ends", LIMIT_S, process=process)


def test_condition_is_tested_after_process_ended_long_ago(started):
    process = started("")
    process.wait()
    assert wait_until(lambda: True, "the program ends", process=process)


def test_closed_output_hides_no_error(started):
    process = started("")
    process.stdout.close()
    with pytest.raises(LabError, match=r"^the dump begins: its process ended with 0$"):
        wait_until(lambda: False, "the dump begins", LIMIT_S, process=process)
