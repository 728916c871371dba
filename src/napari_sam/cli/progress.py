"""Progress bars on standard error."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def steps(names: Sequence[str]) -> Iterator[Callable[[], None]]:
    """A bar over steps that take unlike times; yields what to call when a step is done.

    Parameters
    ----------
    names
        What each step does.
    """
    # The bar shows only where the whole takes longer than a second.
    with tqdm(total=len(names), desc=names[0], delay=1, leave=False) as bar:

        def done() -> None:
            bar.update()
            if bar.n < len(names):
                bar.set_description(names[bar.n])

        yield done


@contextmanager
def transferred(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar over bytes; yields what to call with those that are here and those that there will be.

    Parameters
    ----------
    name
        What is transferred.
    """
    with tqdm(desc=name, unit="B", unit_scale=True, delay=0.5, leave=False) as bar:

        def here(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield here
