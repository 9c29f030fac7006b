from postern.simulator.settings import SimulatorSettings


def test_settings_survive_the_pipe() -> None:
    settings = SimulatorSettings(smpp_port=2776, password="пароль", late_by_s=0.5)
    line = settings.to_json()

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert SimulatorSettings.from_json(line) == settings


def test_secrets_are_not_shown() -> None:
    settings = SimulatorSettings(
        password="s3cret-1", secret="s3cret-2", callback_url="http://127.0.0.1/s3cret-3"
    )

    assert "s3cret" not in repr(settings)
