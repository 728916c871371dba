"""How the network's worker threads wait for work."""

import os
import sys


def let_idle_threads_sleep() -> None:
    """Have OpenMP's threads sleep, not spin, while they wait for each other; the user's own setting goes first.

    The network shares the processor with the window. When the window draws (or another program works) while OpenMP's
    threads spin at the end of each small operation, every operation can take a whole time slice of the operating
    system. It counts only before torch is loaded, and does nothing afterwards.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
