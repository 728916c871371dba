"""How the thread that computes shares the processors with the window."""

import os
import sys
import threading

NICENESS = 5
"""How much nicer than the window the thread is: about a third of its share where both want one processor."""


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
