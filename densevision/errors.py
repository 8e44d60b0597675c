"""The one exception that means: the input is wrong, here is the remedy."""


class UserError(Exception):
    """A fault in what the user gave: one line that names the file or field and the remedy.

    The command line prints it without a traceback and exits with status 2.
    """
