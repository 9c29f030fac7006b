"""What is wrong with a template: every problem with its key, raised together as one error."""

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class TemplateProblem(NamedTuple):
    """One mistake: where (dotted key inside the provider's block) and what to do about it."""

    key: str
    reason: str


class TemplateError(ValueError):
    """A provider's HTTP template cannot be used.  `problems` names every mistake in it."""

    def __init__(self, problems: tuple[TemplateProblem, ...]) -> None:
        super().__init__("; ".join(f"{problem.key}: {problem.reason}" for problem in problems))
        self.problems = problems


class TemplateProblems:
    """Collects mistakes while a template is compiled: the operator sees all of them at once."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[TemplateProblem] = []

    def add(self, key: str, reason: str) -> None:
        """Notes one mistake; the same one twice counts once."""
        problem = TemplateProblem(key, reason)
        if problem not in self._found:
            self._found.append(problem)

    def attempt(
        self, key: str, otherwise: T, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`make(...)`, or `otherwise` with its ValueError noted under `key`."""
        try:
            return make(*args, **kwargs)
        except ValueError as error:
            self.add(key, str(error))
            return otherwise

    def raise_any(self) -> None:
        """Ends the compilation.

        Raises:
            TemplateError: at least one mistake was noted.
        """
        if self._found:
            raise TemplateError(tuple(self._found))
