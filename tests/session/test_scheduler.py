"""The scheduler: order, replacing, cancelling, stepping, closing. The main thread is a queue that the tests pump."""

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from napari_sam.nn.cancel import CancelToken
from napari_sam.session.compute.scheduler import NICENESS, Priority, Scheduler


@pytest.fixture
def scheduler(main) -> Iterator[Scheduler]:
    scheduler = Scheduler(main.post)
    yield scheduler
    assert scheduler.close()


class Gate:
    """A computation that waits until it is let through; it stops when cancelled."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.open = threading.Event()

    def __call__(self, token: CancelToken) -> str:
        self.started.set()
        while not self.open.wait(0.002):
            token.check()
        return "passed"


def test_results_arrive_on_the_main_thread_only(scheduler, main) -> None:
    threads = []
    scheduler.submit(
        "a",
        lambda token: threads.append(threading.current_thread()) or 7,
        priority=Priority.CLICK,
        on_result=lambda value: threads.append((value, threading.current_thread())),
    )
    assert scheduler.wait_idle(5)
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
    main.pump()
    assert threads[1] == (7, threading.current_thread())


def test_one_thread_serves_every_request(scheduler, main) -> None:
    seen = []
    for index in range(20):
        scheduler.submit(index, lambda token: seen.append(threading.get_ident()), priority=Priority.VIEW)
    assert scheduler.wait_idle(5)
    assert len(seen) == 20
    assert len(set(seen)) == 1


def test_urgent_requests_go_first_and_equals_in_order(scheduler, main) -> None:
    gate, done = Gate(), []
    scheduler.submit("gate", gate, priority=Priority.CLICK)
    assert gate.started.wait(5)
    for name, priority in [
        ("prefetch", Priority.PREFETCH),
        ("propagation", Priority.PROPAGATION),
        ("view", Priority.VIEW),
        ("first click", Priority.CLICK),
        ("second click", Priority.CLICK),
    ]:
        scheduler.submit(name, lambda token, name=name: done.append(name), priority=priority)
    gate.open.set()
    assert scheduler.wait_idle(5)
    assert done == ["first click", "second click", "view", "propagation", "prefetch"]


def test_the_newest_request_of_a_key_wins_while_the_older_runs(scheduler, main) -> None:
    gate, results = Gate(), []
    older = scheduler.submit("object", gate, priority=Priority.CLICK, on_result=results.append)
    assert gate.started.wait(5)
    scheduler.submit("object", lambda token: "newer", priority=Priority.CLICK, on_result=results.append)
    assert older.token.cancelled
    assert scheduler.wait_idle(5)
    main.pump()
    assert results == ["newer"]


def test_only_the_newest_of_many_waiting_requests_is_computed(scheduler, main) -> None:
    gate, computed, results = Gate(), [], []
    scheduler.submit("gate", gate, priority=Priority.CLICK)
    assert gate.started.wait(5)
    for index in range(50):
        scheduler.submit(
            "object",
            lambda token, index=index: computed.append(index) or index,
            priority=Priority.CLICK,
            on_result=results.append,
        )
    gate.open.set()
    assert scheduler.wait_idle(5)
    main.pump()
    assert computed == [49]
    assert results == [49]


def test_a_result_on_its_way_is_dropped_when_its_key_is_cancelled_or_replaced(scheduler, main) -> None:
    results = []
    for key in ("cancelled", "replaced", "kept"):
        scheduler.submit(key, lambda token, key=key: key, priority=Priority.CLICK, on_result=results.append)
    assert scheduler.wait_idle(5)
    scheduler.cancel("cancelled")
    scheduler.submit("replaced", lambda token: "newer", priority=Priority.CLICK, on_result=results.append)
    assert scheduler.wait_idle(5)
    main.pump()
    assert results == ["kept", "newer"]
    assert not scheduler._newest


def test_a_click_comes_between_the_steps_of_a_propagation(scheduler, main) -> None:
    events = []
    first_step, clicked = threading.Event(), threading.Event()

    def propagation(token: CancelToken) -> Iterator[int]:
        for index in range(3):
            events.append(f"step {index}")
            first_step.set()
            clicked.wait(5)
            yield index

    steps, done = [], []
    scheduler.submit_steps(
        "propagation",
        propagation,
        priority=Priority.PROPAGATION,
        on_step=steps.append,
        on_done=lambda: done.append(True),
    )
    assert first_step.wait(5)
    scheduler.submit("click", lambda token: events.append("click"), priority=Priority.CLICK)
    clicked.set()
    assert scheduler.wait_idle(5)
    main.pump()
    assert events == ["step 0", "click", "step 1", "step 2"]
    assert steps == [0, 1, 2]
    assert done == [True]


def test_cancelling_between_steps_closes_the_generator(scheduler, main) -> None:
    gate, closed, done = Gate(), threading.Event(), []

    def steps(token: CancelToken) -> Iterator[int]:
        try:
            yield 0
            gate(token)
            yield 1
        finally:
            closed.set()

    seen = []
    scheduler.submit_steps(
        "p", steps, priority=Priority.PROPAGATION, on_step=seen.append, on_done=lambda: done.append(True)
    )
    assert gate.started.wait(5)
    main.pump()
    scheduler.cancel("p")
    assert closed.wait(5)
    assert scheduler.wait_idle(5)
    main.pump()
    assert seen == [0]
    assert not done


def test_a_prefetch_gives_way_to_anything_more_urgent_and_begins_again(scheduler, main) -> None:
    gate, results = Gate(), []
    prefetch = scheduler.submit(
        "prefetch", gate, priority=Priority.PREFETCH, preemptible=True, on_result=lambda _: results.append("prefetch")
    )
    assert gate.started.wait(5)
    first = prefetch.token
    scheduler.submit("click", lambda token: gate.open.set(), priority=Priority.CLICK, on_result=results.append)
    assert scheduler.wait_idle(5)
    main.pump()
    assert first.cancelled
    assert results == [None, "prefetch"]
    assert not scheduler._newest


def test_a_prefetch_that_gave_way_and_is_not_wanted_any_more_does_not_begin_again(scheduler, main) -> None:
    starts, click = [], Gate()

    def prefetch(token: CancelToken) -> None:
        starts.append(True)
        Gate()(token)

    scheduler.submit("prefetch", prefetch, priority=Priority.PREFETCH, preemptible=True)
    scheduler.submit("click", click, priority=Priority.CLICK)
    assert click.started.wait(5)
    before = len(starts)
    scheduler.cancel("prefetch")
    click.open.set()
    assert scheduler.wait_idle(5)
    assert len(starts) == before


def test_an_embedding_does_not_give_way(scheduler, main) -> None:
    gate, order = Gate(), []
    scheduler.submit("view", gate, priority=Priority.VIEW, on_result=lambda _: order.append("view"))
    assert gate.started.wait(5)
    scheduler.submit("click", lambda token: None, priority=Priority.CLICK, on_result=lambda _: order.append("click"))
    gate.open.set()
    assert scheduler.wait_idle(5)
    main.pump()
    assert order == ["view", "click"]


def test_an_error_reaches_the_main_thread_and_the_thread_lives_on(scheduler, main) -> None:
    errors, results = [], []

    def fail(token: CancelToken) -> None:
        raise ValueError("broken")

    scheduler.submit("a", fail, priority=Priority.CLICK, on_error=errors.append)
    scheduler.submit("b", lambda token: 1, priority=Priority.CLICK, on_result=results.append)
    assert scheduler.wait_idle(5)
    main.pump()
    assert [str(error) for error in errors] == ["broken"]
    assert results == [1]


def test_waiting_for_clicks_ends_with_their_results_on_the_way(scheduler, main) -> None:
    results, prefetch = [], Gate()
    scheduler.submit("prefetch", prefetch, priority=Priority.PREFETCH, preemptible=True)
    assert prefetch.started.wait(5)
    scheduler.submit("a", lambda token: time.sleep(0.02), priority=Priority.CLICK, on_result=results.append)
    scheduler.submit("b", lambda token: time.sleep(0.02), priority=Priority.CLICK, on_result=results.append)
    assert scheduler.wait_urgent(5)
    main.pump()
    assert len(results) == 2


def test_waiting_for_clicks_gives_up_in_time_and_does_not_wait_for_what_comes_before_them(scheduler, main) -> None:
    click, view = Gate(), Gate()
    scheduler.submit("click", click, priority=Priority.CLICK)
    assert click.started.wait(5)
    begin = time.perf_counter()
    assert not scheduler.wait_urgent(0.02)
    assert 0.02 <= time.perf_counter() - begin < 2
    click.open.set()
    assert scheduler.wait_idle(5)
    scheduler.submit("view", view, priority=Priority.VIEW)
    assert view.started.wait(5)
    scheduler.submit("click", lambda token: None, priority=Priority.CLICK)
    begin = time.perf_counter()
    assert not scheduler.wait_urgent(60)
    assert time.perf_counter() - begin < 30
    view.open.set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows priorities of threads that need no privilege")
def test_the_thread_and_those_that_it_starts_give_way_to_the_window(scheduler) -> None:
    seen = []

    def look(_: CancelToken) -> None:
        child = threading.Thread(target=lambda: seen.append(os.getpriority(os.PRIO_PROCESS, 0)))
        child.start()
        child.join()

    before = os.getpriority(os.PRIO_PROCESS, 0)
    scheduler.submit("a", look, priority=Priority.CLICK)
    assert scheduler.wait_idle(5)
    assert seen == [min(before + NICENESS, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.alone
def test_close_interrupts_what_runs_and_leaves_no_thread(main) -> None:
    scheduler = Scheduler(main.post)
    gate, results = Gate(), []
    scheduler.submit("a", gate, priority=Priority.VIEW, on_result=results.append)
    scheduler.submit("b", lambda token: 1, priority=Priority.VIEW, on_result=results.append)
    assert gate.started.wait(5)
    begin = time.perf_counter()
    assert scheduler.close()
    assert time.perf_counter() - begin < 1
    assert not [thread for thread in threading.enumerate() if thread.name == "napari-sam-inference"]
    main.pump()
    assert results == []
    scheduler.submit("c", lambda token: 1, priority=Priority.VIEW, on_result=results.append)
    main.pump()
    assert results == []


def test_a_request_that_is_hurried_goes_before_what_was_more_urgent_and_gives_way_no_more(scheduler, main) -> None:
    gate, done = Gate(), []
    scheduler.submit("gate", gate, priority=Priority.VIEW)
    assert gate.started.wait(5)
    for name, priority in [("supposed", Priority.SUPPOSED), ("propagation", Priority.PROPAGATION)]:
        scheduler.submit(name, lambda _, name=name: done.append(name), priority=priority, preemptible=True)
    scheduler.hurry("supposed", Priority.CLICK)
    gate.open.set()
    assert scheduler.wait_idle(5)
    assert done == ["supposed", "propagation"]

    hurried = Gate()
    request = scheduler.submit("hurried", hurried, priority=Priority.SUPPOSED, preemptible=True)
    assert hurried.started.wait(5)
    scheduler.hurry("hurried", Priority.CLICK)
    scheduler.submit("view", lambda _: done.append("view"), priority=Priority.VIEW)
    assert not request.token.cancelled
    hurried.open.set()
    assert scheduler.wait_idle(5)


def test_hurrying_has_what_runs_give_way(scheduler, main) -> None:
    ahead, done = Gate(), []
    scheduler.submit("ahead", ahead, priority=Priority.PREFETCH, preemptible=True, on_result=done.append)
    assert ahead.started.wait(5)
    scheduler.submit("later", lambda _: done.append("later"), priority=Priority.PREFETCH)
    scheduler.hurry("later", Priority.CLICK)
    scheduler.hurry("unknown", Priority.CLICK)
    main.run_until(lambda: bool(done))
    assert done == ["later"]
    ahead.open.set()
    assert scheduler.wait_idle(5)
    main.pump()
    assert done == ["later", "passed"]


def test_hurrying_makes_nothing_less_urgent(scheduler, main) -> None:
    gate = Gate()
    request = scheduler.submit("gate", gate, priority=Priority.CLICK)
    scheduler.hurry("gate", Priority.PREFETCH)
    assert request.priority is Priority.CLICK
    gate.open.set()
    assert scheduler.wait_idle(5)


def test_cancelling_what_is_not_there_wakes_nobody(scheduler, main, monkeypatch) -> None:
    gate, woken = Gate(), []
    scheduler.submit("gate", gate, priority=Priority.CLICK)
    assert gate.started.wait(5)
    notify_all = scheduler._changed.notify_all
    monkeypatch.setattr(scheduler._changed, "notify_all", lambda: woken.append(1) or notify_all())
    scheduler.cancel("other")
    assert not woken
    scheduler.cancel("gate")
    assert woken
