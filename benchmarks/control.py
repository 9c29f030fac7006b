"""The control line of a measuring process: JSON objects on stdout, questions on stdin.

A peer says on its first line where it listens, answers every line on stdin with its counts, and
leaves when stdin ends: it cannot outlive the driver that started it.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping


def say(fields: Mapping[str, object]) -> None:
    """One line of JSON on stdout, at once."""
    print(json.dumps(fields), flush=True)


async def answer_until_end(counts: Callable[[], Mapping[str, object]]) -> None:
    """Answers each line on stdin with `counts()`; returns at its end."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        say(counts())
