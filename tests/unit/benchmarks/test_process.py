import sys

import pytest

from benchmarks.process import BenchmarkError, started

ECHO = "import sys\nfor line in sys.stdin: print('{\"n\": 1}', flush=True)"


async def test_a_child_answers_and_ends_with_its_stdin(tmp_path):
    async with started("echo", [sys.executable, "-c", ECHO], tmp_path) as child:
        assert await child.ask() == {"n": 1}
        assert child.cpu_s() > 0
        assert child.rss_mib() > 1
        assert not child.has_ended
    assert child.has_ended
    assert child.rss_mib() == child.cpu_s() == 0


async def test_a_child_that_ends_without_a_word_is_named_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no such port')"]
    async with started("null relay", command, tmp_path) as child:
        with pytest.raises(BenchmarkError, match=r"null relay .* ended .*: no such port"):
            await child.read()
