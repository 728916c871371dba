"""How much a journal holds, kept up to date by what it holds."""


class Held:
    """Bytes in memory and on disk.

    Attributes
    ----------
    memory, disk : int
        Roughly.
    """

    def __init__(self) -> None:
        self.memory = 0
        self.disk = 0

    def add(self, nbytes: int, *, on_disk: bool) -> None:
        """Something is held from now on; with negative `nbytes`, not any more."""
        if on_disk:
            self.disk += nbytes
        else:
            self.memory += nbytes
