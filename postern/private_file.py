"""Files that only their owner may read and nobody ever sees half written."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp


def write_private(path: Path, text: str) -> None:
    """Puts `text` at `path` in one step, mode 0600; readers see the old file or the new one.

    Raises:
        OSError: the directory cannot be written.
    """
    # mkstemp makes the file with mode 0600.
    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
