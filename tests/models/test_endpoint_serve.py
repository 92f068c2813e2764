import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import gyrocompass
from gyrocompass.config import Sampling
from gyrocompass.errors import InputError, Unsupported
from gyrocompass.models.endpoint import open_endpoint
from gyrocompass.worlds.town.prompts import prompts

BASE = Path(gyrocompass.__file__).parent / "worlds" / "town" / "base"


@contextmanager
def transformers_serve(model):
    """The address of `transformers serve` with this checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    line = [*serve, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(line, env=os.environ | {"HF_HUB_OFFLINE": "1"}, **quiet) as process:
        try:
            end = time.monotonic() + 90
            while not _healthy(port):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.3)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def _healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


@pytest.mark.slow
def test_transformers_serve_answers_for_a_town_checkpoint(tmp_path):
    asked = [example.prompt for example in prompts(8, 0)]
    with transformers_serve(BASE) as url:
        policy = open_endpoint(f"{url}#{BASE}", Sampling(max_new_tokens=20), cache=tmp_path / "cache")
        answers = policy.sample(asked, 2)
        can = policy.probe()
        assert (can.n, can.logprobs, can.seed) == (False, False, True)
        assert [len(texts) for texts in answers] == [2] * 8
        assert sum(bool(text) for texts in answers for text in texts) >= 12
        assert policy.usage.tokens_out > 0
        with pytest.raises(Unsupported, match="ignores"):
            policy.likeliest(asked, 2)
        with pytest.raises(InputError, match=r"status 400 .*nosuch"):
            open_endpoint(f"{url}#nosuch", Sampling(), cache=tmp_path / "cache").sample(asked)
    again = open_endpoint(f"{url}#{BASE}", Sampling(max_new_tokens=20), cache=tmp_path / "cache")
    assert again.sample(asked, 2) == answers
    assert again.usage.requests == 0
