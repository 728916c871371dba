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
