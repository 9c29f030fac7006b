"""The whole configuration, for commands that need more of it than the control socket."""

from pathlib import Path

from conf.problems import SettingsError
from conf.settings import Settings, load
from postern.commands.failure import REFUSED, CommandError


def load_settings(config: Path, *, with_templates: bool = False) -> Settings:
    """Reads the file; `with_templates` compiles those of HTTP providers as well, as `serve` does.

    Raises:
        CommandError: one line per problem.
    """
    try:
        if with_templates:
            from postern.daemon import settings_of

            return settings_of(config)
        return load(config)
    except SettingsError as error:
        raise CommandError("\n".join(map(str, error.problems)), REFUSED) from None
