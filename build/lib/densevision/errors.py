"""The one exception that means: the input is wrong, here is the remedy."""


class UserError(Exception):
    """A fault in what the user gave: one line that names the file or field and the remedy.

    The command line prints it without a traceback and exits with status 2.
    """

    def __str__(self) -> str:
        # From a loader's worker the message comes back as a whole traceback; its last line is the message.
        last = super().__str__().strip().rpartition("\n")[2]
        return last.removeprefix(f"{__name__}.UserError: ")
