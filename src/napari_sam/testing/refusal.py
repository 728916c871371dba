"""The check that something is refused as a user can understand it."""

from collections.abc import Iterator
from contextlib import contextmanager

from napari_sam.errors import UserError


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Expect a `UserError` that is a sentence.

    Parameters
    ----------
    what
        What is to be refused, named where it is not.

    Raises
    ------
    AssertionError
        If nothing is raised, or the message is no sentence. Errors of other kinds pass through.
    """
    try:
        yield
    except UserError as error:
        check_sentence(error)
    else:
        raise AssertionError(f"this was not refused by a UserError: {what}")


def check_sentence(error: UserError) -> None:
    """Check that the message of an error is a sentence."""
    message = str(error)
    assert message[:1].strip(), f"the message does not begin with a word: {message!r}"
    assert message.endswith("."), f"the message is no sentence: {message!r}"
