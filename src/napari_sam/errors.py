"""Errors and notices that are shown to a user as they are.

UserError (a ValueError)            something the user can put right
 |- labels.paint.Collides           pixels of other labels would be met, and the user wants to be asked
 |- models.download.Unreachable     a server that does not answer
 |- session.edit_plan.NothingToEdit an edit that would change nothing
UserNotice (a UserWarning)          something to know, although the work goes on

Cancelled (nn.cancel) is no error: it ends what nobody waits for any more, and is never shown.
"""


class UserError(ValueError):
    """An error that the user can put right.

    The message is one sentence that says what is wrong and what to do; the plugin shows it in its panel,
    the command line prints it and exits with status 2.
    """


class UserNotice(UserWarning):
    """A notice of something the user should know although the work goes on, in one sentence.

    It is given by `warnings.warn`: napari shows it in a corner of the window, the command line prints it.
    """


def check_share(name: str, share: float) -> None:
    """Refuse what is no share of one.

    Parameters
    ----------
    name
        What the user calls it.
    share
        Its value.

    Raises
    ------
    UserError
        If it is not in 0..1, or no number.
    """
    # Said so that NaN is refused, too.
    if not 0 <= share <= 1:
        raise UserError(f"{name} is a number from 0 to 1, but got {share:g}.")
