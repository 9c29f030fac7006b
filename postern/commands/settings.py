"""The whole configuration, for commands that need more of it than the control socket."""

from pathlib import Path

from conf.problems import SettingsError
from conf.settings import Settings
from postern.commands.failure import REFUSED, CommandError
from postern.daemon import settings_of


def load_settings(config: Path) -> Settings:
    """Reads the file as the daemon does, templates of HTTP providers included.

    Raises:
        CommandError: one line per problem.
    """
    try:
        return settings_of(config)
    except SettingsError as error:
        raise CommandError("\n".join(map(str, error.problems)), REFUSED) from None
