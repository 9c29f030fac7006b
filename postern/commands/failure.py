"""How a command fails: one line on standard error and an exit code."""

REFUSED = 1  # the daemon, the store or the configuration said no
UNREACHABLE = 2  # wrong usage, or nobody answers; argparse exits with 2 as well


class CommandError(Exception):
    """The command ends.  Its text says what happened, where, and what to do."""

    def __init__(self, text: str, exit_code: int = REFUSED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class DaemonAbsentError(CommandError):
    """Nobody answers on the control socket, or there is none."""

    def __init__(self, text: str) -> None:
        super().__init__(text, UNREACHABLE)
