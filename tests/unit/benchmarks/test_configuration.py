from benchmarks import configuration
from benchmarks.esme import SENDER
from conf.settings import load


def test_the_gateway_reads_the_file_without_a_warning(tmp_path):
    file = tmp_path / "postern.toml"
    file.write_text(
        configuration.render(
            http_port=8080,
            smpp_port=2775,
            carrier_port=2776,
            carrier_window=400,
            store_url=f"sqlite:///{tmp_path}/postern.db",
        )
    )
    settings = load(file)
    [account], [provider] = settings.accounts, settings.providers
    assert (account.senders, account.requests_per_min, account.rate) == ((SENDER,), 0, 0)
    assert account.smpp[0].rate == provider.rate == 0
    assert (provider.port, provider.window) == (2776, 400)
