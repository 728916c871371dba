"""When a slider that moves has come to rest."""

SHORTEST_MS = 80
LONGEST_STEP_MS = 300
"""Steps that follow each other more slowly than this are looked at one by one."""


class SliderPace:
    """Tells, after each step of a slider, how long to wait for the next one before taking it for the last.

    Planes that are only flown over, by the wheel or while napari plays an axis, are not worth embedding.
    """

    def __init__(self) -> None:
        self._last: float | None = None

    def step(self, now: float) -> int:
        """The slider moved.

        Parameters
        ----------
        now
            Time in seconds, from any start.

        Returns
        -------
        int
            Milliseconds to wait.
        """
        since = float("inf") if self._last is None else 1000 * (now - self._last)
        self._last = now
        return SHORTEST_MS if since > LONGEST_STEP_MS else max(SHORTEST_MS, round(1.5 * since))
