"""`python -m postern.simulator`: the child process of the demo; see `child`."""

import signal
import sys


def _run() -> int:
    # Before the imports that take a while: a signal to the group must not end the carriers while
    # the gateway still drains to them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    from postern.simulator.child import main

    return main()


if __name__ == "__main__":
    sys.exit(_run())
