"""The errors a user may meet. Each message is one line: what is wrong, where, and what to do about it."""


class GyroError(Exception):
    """An error whose message is meant for the user; the command line prints it without a traceback."""

    exit_code = 1


class InputError(GyroError):
    """A file, a row, a model or a setting that can't be used as given."""

    exit_code = 2


class Unsupported(InputError):
    """Something that a model or a server can't give, such as log-probabilities; never approximated."""


class Diverged(GyroError):
    """Training left the region in which its numbers mean anything: NaN, or a KL past its limit."""

    exit_code = 3


class Waiting(GyroError):
    """People have been asked and haven't replied yet; the same command goes on once they have."""

    exit_code = 4
