"""One inference thread for everything that computes, with priorities and cancelling."""

import os
import sys
import threading
from collections.abc import Callable, Generator, Hashable, Iterator
from enum import IntEnum
from functools import partial
from itertools import count
from typing import Any, TypeVar
from weakref import WeakMethod

from napari_sam.nn.cancel import Cancelled, CancelToken

NICENESS = 5
"""How much nicer than the window the thread is: about a third of its share where both want one processor.

Linux weighs a niceness of 5 by 335 where that of 0 has 1024. Chosen; the longest stalls with it are in
docs/benchmarks.md, "Interaction".
"""


def give_way_to_window() -> None:
    """Let the calling thread, and threads that it starts, wait when the window wants a processor.

    Two threads of the network on a machine of two processors would otherwise let the window wait for a whole time
    slice of the operating system, again and again while it draws one frame. The rest of the process stays as it is.
    Only Linux knows priorities of threads that need no privilege; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    try:
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICENESS, 19))
    except OSError:
        # A sandbox may forbid it; the window is less smooth then, and nothing else.
        return


PostToMain = Callable[[Callable[[], None]], None]
_T = TypeVar("_T")


def weak_callback(method: Callable[..., None]) -> Callable[..., None]:
    """Return what calls a bound method while its object lives, and does nothing once that is gone."""
    return partial(_call, WeakMethod(method))


def _call(method: WeakMethod[Callable[..., None]], *arguments: Any) -> None:
    found = method()
    if found is not None:
        found(*arguments)


class Priority(IntEnum):
    """The priority of a request; the smallest is the most urgent."""

    CLICK = 0
    VIEW = 1
    PROPAGATION = 2
    SUPPOSED = 3
    PREFETCH = 4


class Request:
    """One computation that was asked for.

    Parameters
    ----------
    key
        Requests with equal keys replace each other: the newest wins.
    priority
        Which of the waiting requests goes first; among equals the oldest.
    preemptible
        Whether this request gives way while it runs, when a more urgent one arrives. It begins again when there is
        nothing more urgent any more; what it did of the step that it was in is lost.
    """

    def __init__(self, key: Hashable, priority: Priority, preemptible: bool) -> None:
        self.key = key
        self.priority = priority
        self.preemptible = preemptible
        self.token = CancelToken()
        self.gave_way = False


class _Task:
    """A request and its computation, as the inference thread sees it."""

    def __init__(
        self,
        request: Request,
        order: int,
        start: Callable[[CancelToken], Iterator[Any]],
        on_start: Callable[[], None] | None,
        on_step: Callable[[Any], None] | None,
        on_done: Callable[[], None] | None,
        on_error: Callable[[Exception], None] | None,
    ) -> None:
        self.request = request
        self.order = order
        self.start = start
        self.on_start = on_start
        self.on_step = on_step
        self.on_done = on_done
        self.on_error = on_error
        self.steps: Iterator[Any] | None = None

    @property
    def rank(self) -> tuple[int, int]:
        return int(self.request.priority), self.order

    def close(self) -> None:
        if isinstance(self.steps, Generator):
            self.steps.close()


class Scheduler:
    """A scheduler that runs requests one at a time on one persistent thread.

    Long computations are given as generators: after each of their steps the most urgent waiting request goes first,
    so that a click is answered in the middle of a propagation.

    Results come back through `post_to_main`, and only while their request has been neither cancelled nor replaced:
    after `cancel` returned on the main thread, no callback of that request runs any more.

    Parameters
    ----------
    post_to_main
        Hands a function to the main thread, which runs it soon; called from the inference thread.
    """

    def __init__(self, post_to_main: PostToMain) -> None:
        self._post = post_to_main
        self._changed = threading.Condition()
        self._waiting: list[_Task] = []
        # The newest request of every key, from when it is made until its last callback has run.
        self._newest: dict[Hashable, Request] = {}
        self._running: _Task | None = None
        self._order = count()
        self._closed = False
        self._thread: threading.Thread | None = None

    def post(self, run: Callable[[], None]) -> None:
        """Have `run` called soon on the main thread, after what is there to be done."""
        self._post(run)

    def submit(
        self,
        key: Hashable,
        run: Callable[[CancelToken], _T],
        *,
        priority: Priority,
        on_result: Callable[[_T], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_start: Callable[[], None] | None = None,
        preemptible: bool = False,
    ) -> Request:
        """Ask for one result.

        Parameters
        ----------
        key
            Replaces a waiting or running request of an equal key.
        run
            Computes the result on the inference thread; checks the token at safe points.
        priority
            See `Priority`.
        on_result, on_error, on_start
            Called on the main thread with the result, with the exception that `run` raised, and when it starts.
        preemptible
            See `Request`.
        """

        def once(token: CancelToken) -> Iterator[_T]:
            yield run(token)

        return self.submit_steps(
            key,
            once,
            priority=priority,
            on_step=on_result,
            on_error=on_error,
            on_start=on_start,
            preemptible=preemptible,
        )

    def submit_steps(
        self,
        key: Hashable,
        steps: Callable[[CancelToken], Iterator[_T]],
        *,
        priority: Priority,
        on_step: Callable[[_T], None] | None = None,
        on_done: Callable[[], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_start: Callable[[], None] | None = None,
        preemptible: bool = False,
    ) -> Request:
        """Ask for a computation of many steps.

        Parameters
        ----------
        steps
            Called once on the inference thread; each value it yields is one step.
        on_step, on_done
            Called on the main thread with the value of each step, and after the last.
        key, priority, on_error, on_start, preemptible
            As for `submit`.
        """
        request = Request(key, priority, preemptible)
        task = _Task(request, next(self._order), steps, on_start, on_step, on_done, on_error)
        with self._changed:
            if self._closed:
                request.token.cancel()
                return request
            self._cancel(key)
            self._preempt(priority)
            self._newest[key] = request
            self._waiting.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="napari-sam-inference", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return request

    def hurry(self, key: Hashable, priority: Priority) -> None:
        """Have the newest request of this key go on as urgently as this, if it is less urgent, and give way no more."""
        with self._changed:
            request = self._newest.get(key)
            if request is not None and priority < request.priority:
                request.priority, request.preemptible = priority, False
                self._preempt(priority)
                self._changed.notify_all()

    def cancel(self, key: Hashable) -> None:
        """Cancel the newest request of this key, whether it waits, runs, or has its result on the way."""
        with self._changed:
            # Waking threads for nothing is not free: whoever wakes takes the interpreter.
            if self._cancel(key):
                self._changed.notify_all()

    def cancel_all(self) -> None:
        """Cancel everything that waits, runs, or is on its way to the main thread."""
        with self._changed:
            self._cancel_everything()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Block until nothing waits or runs; False if that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and self._running is None, timeout)

    def wait_urgent(self, timeout: float) -> bool:
        """Block while clicks run or come next, at most `timeout` seconds; tell whether they all have their results."""

        def urgent(task: _Task) -> bool:
            return task.request.priority is Priority.CLICK and not task.request.token.cancelled

        with self._changed:
            running = self._running
            if running is not None and not urgent(running) and not running.request.preemptible:
                return False
            return self._changed.wait_for(
                lambda: not any(map(urgent, self._waiting)) and (self._running is None or not urgent(self._running)),
                timeout,
            )

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel everything, end the thread and wait for it at most `timeout` seconds; tell if it ended in time."""
        with self._changed:
            self._closed = True
            self._cancel_everything()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _preempt(self, priority: Priority) -> None:
        """Have what runs give way to what is more urgent, if it may."""
        running = self._running
        if running is not None and running.request.preemptible and priority < running.request.priority:
            running.request.gave_way = True
            running.request.token.cancel()

    def _cancel(self, key: Hashable) -> bool:
        """Cancel the newest request of this key; tell whether there was one."""
        request = self._newest.pop(key, None)
        if request is not None:
            request.token.cancel()
        return request is not None

    def _cancel_everything(self) -> None:
        for key in tuple(self._newest):
            self._cancel(key)
        self._changed.notify_all()

    def _settle(self, request: Request) -> None:
        with self._changed:
            if self._newest.get(request.key) is request:
                del self._newest[request.key]

    def _loop(self) -> None:
        give_way_to_window()
        while True:
            with self._changed:
                self._running = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                task = min(self._waiting, key=lambda waiting: waiting.rank)
                self._waiting.remove(task)
                self._running = task
            if self._advance(task):
                with self._changed:
                    self._waiting.append(task)
            # Nothing here may keep the last result alive while the thread waits.
            del task

    def _advance(self, task: _Task) -> bool:
        """Do one step of `task`; tell whether more are to come."""
        token = task.request.token
        try:
            token.check()
            if task.steps is None:
                self._deliver(task, task.on_start)
                task.steps = iter(task.start(token))
            try:
                value = next(task.steps)
            except StopIteration:
                self._deliver(task, task.on_done, last=True)
                return False
            self._deliver(task, task.on_step, value)
        except Cancelled:
            task.close()
            if self._begin_again(task):
                return True
            self._settle(task.request)
            return False
        except Exception as error:
            self._deliver(task, task.on_error, error, last=True)
            return False
        return True

    def _begin_again(self, task: _Task) -> bool:
        """Have a task that gave way wait for its turn, unless nobody wants it any more."""
        with self._changed:
            request = task.request
            if self._closed or not request.gave_way or self._newest.get(request.key) is not request:
                return False
            request.gave_way, request.token, task.steps = False, CancelToken(), None
            return True

    def _deliver(self, task: _Task, callback: Callable[..., None] | None, *arguments: Any, last: bool = False) -> None:
        request = task.request

        def run() -> None:
            if last:
                self._settle(request)
            if callback is not None and not request.token.cancelled:
                callback(*arguments)

        if callback is not None or last:
            self._post(run)
