"""The one error that is shown to a user as it is."""


class UserError(ValueError):
    """Something the user can put right.

    The message is one sentence that says what is wrong and what to do; the plugin shows it in its panel,
    the command line prints it and exits with status 2.
    """
