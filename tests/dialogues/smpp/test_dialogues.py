"""Runs every `*.dlg` of this folder against the pure session.

A line is one of: `role R`, `timers NAME=SECONDS ...`, `> COMMAND VERDICT` (the peer sends), `< COMMAND
allowed|forbidden` (may we send), `binding|bound COMMAND|refused|unbinding|closed` (we decided), `~
SECONDS` (time passes), `due ACTION|nothing`, `state STATE`, or a comment.
"""

from pathlib import Path

import pytest

from protocols.smpp.constants import CommandId
from protocols.smpp.session import Action, Role, Session, State, Timers, Verdict

FOLDER = Path(__file__).parent


def command(word: str) -> int:
    return int(word, 16) if word.startswith("0x") else CommandId[word.upper()]


class Dialogue:
    """A session and the clock of its script."""

    def __init__(self, role: Role, timers: Timers) -> None:
        self.now = 1000.0
        self.session = Session(role, timers, self.now)

    def step(self, verb: str, *words: str) -> None:
        match verb, *words:
            case ">", sent, verdict:
                self.session.heard(self.now)
                assert self.session.receive(command(sent)) is Verdict[verdict]
            case "<", sent, permission:
                assert self.session.may_send(command(sent)) is (permission == "allowed")
            case "~", seconds:
                self.now += float(seconds)
            case "due", "nothing":
                assert self.session.next_action(self.now) is None
            case "due", action:
                assert self.session.next_action(self.now) is Action[action]
            case "state", state:
                assert self.session.state is State[state]
            case "binding", *_:
                self.session.binding()
            case "bound", bind:
                self.session.bound(command(bind))
            case "refused", *_:
                self.session.bind_refused()
            case "unbinding", *_:
                self.session.unbinding(self.now)
            case "closed", *_:
                self.session.closed()
            case _:
                pytest.fail("no such line in a dialogue")


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.dlg")), ids=lambda path: path.stem)
def test_dialogue(script: Path) -> None:
    lines = enumerate(script.read_text("utf-8").splitlines(), 1)
    steps = [(number, line.split()) for number, line in lines if not line.startswith("#")]
    (_, (_, role)), (_, (_, *settings)), *rest = steps
    timers = {f"{name}_s": float(value) for name, value in (s.split("=") for s in settings)}
    dialogue = Dialogue(Role[role.upper()], Timers(**timers))

    for number, words in rest:
        try:
            dialogue.step(*words)
        except AssertionError as error:
            error.add_note(f"{script.name} line {number}: {' '.join(words)}")
            raise


def test_there_are_dialogues() -> None:
    assert list(FOLDER.glob("*.dlg"))
