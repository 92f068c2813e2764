import asyncio
import contextlib
import importlib.util
import json
import math
import socket
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

from gyrocompass.config import Access, Sampling
from gyrocompass.errors import InputError, Unsupported
from gyrocompass.models.cache import Reply, opened
from gyrocompass.models.endpoint import EndpointPolicy, is_endpoint, open_endpoint
from gyrocompass.models.likeliest import Token
from gyrocompass.models.transport import retry_after
from gyrocompass.protocols import Policy
from gyrocompass.records import Example, Message, user

SPEC = importlib.util.spec_from_file_location("endpoint_server", Path(__file__).with_name("endpoint_server.py"))
endpoint_server = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(endpoint_server)
Server, share = endpoint_server.Server, endpoint_server.share

KEY = "sk-very-secret-0123456789"
QUICK = Access(backoff_seconds=0.01)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    for name in ("GYRO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve():
    """serve(**behaviour) -> a running server."""
    with contextlib.ExitStack() as stack:
        yield lambda **behaviour: stack.enter_context(endpoint_server.serving(Server(**behaviour)))


def policy_of(server, cache=None, model="toy", **access):
    settings = Access(**QUICK.model_dump() | access)
    return open_endpoint(f"{server.url}#{model}", Sampling(max_new_tokens=20), settings, cache)


def questions(n):
    return [user(f"question {i}") for i in range(n)]


def cached(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM responses").fetchone()[0]


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text
    assert KEY not in text
    return text


def always(fault):
    """Fails every request but the probe's."""
    return lambda body, attempt: None if body["messages"][-1]["content"] == endpoint_server.PROBE else fault


def test_answers_come_in_order_for_the_messages_and_settings_given(serve):
    server = serve()
    policy = policy_of(server)
    assert isinstance(policy, Policy)
    assert policy.abilities == frozenset()
    prompt = (Message("system", "be kind"), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    answers = policy.sample([prompt, *questions(3)], seed=7)
    assert [a[0].split(" -> ")[0] for a in answers] == ["c", "question 0", "question 1", "question 2"]
    body = next(b for b in server.served if "be kind" in b)
    assert '"max_tokens": 20' in body
    assert '"temperature": 1.0' in body
    assert '{"content": "be kind", "role": "system"}' in body


def test_the_same_call_makes_the_same_requests_and_every_draw_another(serve):
    server = serve(honours=frozenset({"logprobs"}))
    first = policy_of(server).sample([*questions(3), user("question 0")], 2, seed=3)
    assert policy_of(server).sample([*questions(3), user("question 0")], 2, seed=3) == first
    assert set(server.served.values()) == {2}
    assert len(server.served) == len({text for texts in first for text in texts}) == 8
    assert len({json.loads(body)["seed"] for body in server.served}) == 8
    assert policy_of(server).sample(questions(1), 2, seed=4) != first[:1]


def test_n_is_asked_for_where_it_is_honoured_and_drawn_apart_where_it_is_not(serve):
    honest, ignoring, refusing = serve(), serve(honours=frozenset()), serve(refuses=frozenset({"n", "logprobs"}))
    for server, requests in ((honest, 3), (ignoring, 9), (refusing, 9)):
        policy = policy_of(server)
        drawn = policy.sample(questions(3), 3)
        assert [len(set(texts)) for texts in drawn] == [3, 3, 3]
        assert server.requests == requests
        assert policy.probe().n == (server is honest)
    assert len(policy_of(honest).sample(questions(1), 20)[0]) == 20
    assert any("ignores n" in note for note in policy.notes())


def test_thirty_two_requests_fly_at_once_and_never_more(serve):
    server = serve(delay=0.1)
    policy_of(server).sample(questions(100))
    assert server.most_flying == 32
    few = serve(delay=0.02)
    policy_of(few, concurrency=5).sample(questions(20))
    assert few.most_flying == 5


def test_a_fifth_failing_loses_nothing_and_counts_nothing_twice(serve, tmp_path):
    server = serve(fault=share(0.2, "500", "429", "drop", "empty", "broken", "503"))
    cache = tmp_path / "deep" / "cache.sqlite"
    policy = policy_of(server, cache)
    ticks = []
    policy.tick = ticks.append
    answers = policy.sample(questions(300))
    assert [a[0].split(" -> ")[0] for a in answers] == [f"question {i}" for i in range(300)]
    assert len(server.served) == sum(server.served.values()) == 300
    assert cached(cache) == 300
    assert ticks == list(range(1, 301))
    assert policy.usage.requests == sum(server.tried.values())
    assert policy.usage.retried == sum(server.tried.values()) - sum(server.answered.values()) > 30
    before = server.tried.total()
    again = policy_of(server, cache)
    assert again.sample(questions(300)) == answers
    assert server.tried.total() == before
    assert (again.usage.requests, again.usage.cached) == (0, 300)
    assert "0 requests (0 of them retries), 300 responses from the cache" in str(again.usage)


def test_the_cache_knows_draws_whatever_the_number_asked_for(serve, tmp_path):
    server, cache = serve(honours=frozenset()), tmp_path / "cache"
    two = policy_of(server, cache).sample(questions(5), 2)
    four = policy_of(server, cache).sample(questions(5), 4)
    assert [texts[:2] for texts in four] == two
    assert server.requests == cached(cache) == 20
    assert policy_of(server, cache).sample(list(reversed(questions(5))), 2) == list(reversed(two))
    assert server.requests == 20


def test_a_storm_of_429_ends_in_one_line(serve, tmp_path):
    server = serve(fault=always("429"))
    started = time.monotonic()
    with pytest.raises(InputError, match=r"status 429 \(fault with key none\); wait, or lower concurrency") as caught:
        policy_of(server, tmp_path / "cache", retries=3).sample(questions(100))
    assert time.monotonic() - started < 5
    assert "0 of 100 answers are kept, and the same command goes on from there" in one_line(caught)
    assert server.requests <= 4 * 64


def test_retry_after_is_respected_up_to_a_minute(serve):
    server = serve(fault=lambda body, attempt: "429" if attempt == 1 else None, retry_after="0.4")
    started = time.monotonic()
    policy_of(server).sample(questions(1))
    assert time.monotonic() - started > 1.2  # plain probe, probe with options, request
    server = serve(fault=always("503"), retry_after="3600")
    with pytest.raises(InputError, match="asks to wait 3,600 s"):
        policy_of(server).sample(questions(1))
    assert server.requests == 1


def test_retry_after_may_be_a_date():
    import httpx2
    import openai

    def asked(value):
        request = httpx2.Request("POST", "http://x")
        response = httpx2.Response(429, headers={"retry-after": value}, request=request)
        return retry_after(openai.RateLimitError("slow", response=response, body=None))

    assert asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert asked("Wed, 21 Oct 2099 07:28:00 GMT") > 1e9
    assert asked("soon") == asked("nan") == asked("-3") == 0


@pytest.mark.parametrize("status", [400, 403, 404])
def test_what_will_not_pass_is_not_tried_again(serve, status):
    server = serve(fault=always(str(status)))
    with pytest.raises(InputError, match=f"status {status}"):
        policy_of(server, concurrency=1).sample(questions(3))
    assert server.requests == 1


@pytest.mark.parametrize(("fault", "what"), [("empty", "0 of 1 responses"), ("broken", "no response in its reply")])
def test_a_reply_without_a_response_is_an_error_in_the_end(serve, fault, what):
    server = serve(fault=always(fault))
    with pytest.raises(InputError, match=what):
        policy_of(server, retries=2, concurrency=1).sample(questions(1))
    assert server.requests == 3


def test_empty_and_missing_content_is_the_empty_string(serve, tmp_path):
    server = serve(contents={"question 0": "", "question 1": None})
    policy = policy_of(server, tmp_path / "cache")
    assert policy.sample(questions(2)) == [[""], [""]]
    assert policy.sample(questions(2)) == [[""], [""]]
    assert server.requests == 2


def test_a_dead_port_is_one_line_in_seconds():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        name = f"http://127.0.0.1:{taken.getsockname()[1]}/v1#toy"
        started = time.monotonic()
        with pytest.raises(InputError, match="no connection; start the server, or check host and port") as caught:
            open_endpoint(name, Sampling(), QUICK).sample(questions(1))
        assert time.monotonic() - started < 3
        one_line(caught)


def test_a_wrong_key_is_one_line_and_the_right_one_leaves_no_trace(serve, tmp_path, monkeypatch):
    server, cache = serve(key=KEY), tmp_path / "cache"
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with pytest.raises(InputError, match=r"status 401; set GYRO_API_KEY to a key that it takes") as caught:
        policy_of(server, cache).sample(questions(1))
    one_line(caught)
    monkeypatch.setenv("GYRO_API_KEY", KEY + "\n")
    policy = policy_of(server, cache)
    assert len(policy.sample(questions(3))) == 3
    assert KEY not in repr(policy)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    server.fault = always("400")
    with pytest.raises(InputError, match=r"fault with key \*\*\*") as caught:
        policy_of(server, cache).sample(questions(4))
    one_line(caught)
    monkeypatch.setenv("GYRO_API_KEY", "sk-\x01")
    with pytest.raises(InputError, match="GYRO_API_KEY holds characters"):
        policy_of(server).sample(questions(1))


def test_an_unknown_model_is_refused_with_those_there_are(serve):
    with pytest.raises(InputError, match=r"status 404 .* it lists toy, other"):
        policy_of(serve(models=("toy", "other")), model="tyo").probe()


def test_logprobs_of_sampled_responses_are_summed_or_refused(serve, tmp_path):
    server, cache = serve(contents={"question 1": ""}), tmp_path / "cache"
    (text, logprob), (nothing, unknown) = policy_of(server, cache).sample_with_logprobs(questions(2))
    assert logprob == pytest.approx(endpoint_server.CHARACTER_LOGPROB * len(text))
    assert nothing == ""
    assert math.isnan(unknown)
    assert policy_of(server, cache).sample_with_logprobs(questions(1)) == [(text, logprob)]
    for lacking in (serve(honours=frozenset({"n"})), serve(refuses=frozenset({"logprobs"}))):
        policy = policy_of(lacking)
        with pytest.raises(Unsupported, match="ignores logprobs"):
            policy.sample_with_logprobs(questions(1))
        assert policy.probe().n
    with pytest.raises(Unsupported, match="can't score given responses; use a local model"):
        policy.logprobs([Example(user("a"), "b")])


def told(question):
    """Two tokens of a reply, and what else might have stood there."""
    return [("(", {"(": -0.1, "A": -3.0}), (question[-1], {"A": -0.5, "B": -1.5})]


def test_the_likeliest_tokens_are_told_and_kept(serve, tmp_path):
    server, cache = serve(tokens=told), tmp_path / "cache"
    found = policy_of(server, cache).likeliest([user("say A"), user("say B")], 2)
    assert found == [[Token(*token) for token in told(text)] for text in ("say A", "say B")]
    assert [len(tokens) for tokens in policy_of(server, cache).likeliest([user("say A")], 1)] == [1]
    sent = server.requests
    again = policy_of(server, cache)
    assert again.likeliest([user("say A"), user("say B")], 2) == found
    assert (server.requests, again.usage.requests) == (sent, 0)


@pytest.mark.parametrize("behaviour", [{}, {"refuses": frozenset({"top_logprobs"})}, {"honours": frozenset()}])
def test_a_server_that_tells_no_likeliest_tokens_is_found_out_by_asking(serve, behaviour):
    server = serve(**behaviour)
    policy = policy_of(server)
    for _ in range(2):
        with pytest.raises(Unsupported, match=r"ignores (top_)?logprobs"):
            policy.likeliest(questions(3), 2)
    assert server.requests == 0
    assert sum(server.tried.values()) <= 5
    assert len(policy.sample(questions(3))) == 3


def test_a_server_of_another_dialect_is_spoken_to_in_it(serve):
    server = serve(refuses=frozenset({"max_tokens", "seed"}))
    policy = policy_of(server)
    assert policy.sample(questions(1))[0][0].startswith("question 0")
    assert policy.probe().limit == "max_completion_tokens"
    assert all("seed" not in body and "max_completion_tokens" in body for body in server.served)
    assert "refuses seeds" in policy.notes()[0]


def test_a_cap_on_requests_holds_and_a_higher_one_resumes(serve, tmp_path):
    server, cache = serve(), tmp_path / "cache"
    with pytest.raises(InputError, match=r"max_requests = 12 is reached; raise it; 10 of 30 answers are kept"):
        policy_of(server, cache, max_requests=12).sample(questions(30))
    assert server.tried.total() == 12
    assert cached(cache) == 10
    answers = policy_of(server, cache, max_requests=22).sample(questions(30))
    assert len(answers) == len(server.served) == server.requests == 30


def test_a_cap_on_spending_holds_and_needs_prices_and_counts(serve):
    server = serve()
    policy = policy_of(server, max_cost=0.01, price_in=100, price_out=200, concurrency=1)
    with pytest.raises(InputError, match=r"max_cost = 0.01 is reached"):
        policy.sample(questions(30))
    # 10 tokens in and 5 out cost 0.002; the probe's three responses to two requests 0.005; then 3 more reach 0.01
    assert (server.requests, policy.usage.tokens_in, policy.usage.tokens_out) == (3, 50, 30)
    with pytest.raises(InputError, match="max_cost needs prices"):
        policy_of(server, max_cost=1)
    with pytest.raises(InputError, match="reports no tokens, so max_cost can't hold"):
        policy_of(serve(usage=False), max_cost=1, price_in=1).sample(questions(1))


def test_an_estimate_sends_nothing_and_sees_the_cache(serve, tmp_path):
    server, cache = serve(), tmp_path / "cache"
    policy = policy_of(server, cache, price_in=1, price_out=2)
    forecast = policy.estimate([user("four"), user("eight888")], 2)
    assert (forecast.requests, forecast.tokens_in, forecast.tokens_out) == (4, 6, 80)
    assert forecast.cost == pytest.approx(166e-6)
    assert not server.tried
    policy.sample([user("four")], 2)
    assert policy.estimate([user("four"), user("eight888")], 2).requests == 2


def test_it_works_in_threads_and_where_a_loop_is_running(serve, tmp_path):
    server, cache = serve(), tmp_path / "cache"
    policy = policy_of(server, cache)

    async def inside():
        return policy.sample(questions(20))

    expected = asyncio.run(inside())
    results = []
    threads = [threading.Thread(target=lambda: results.append(policy.sample(questions(40)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == results[0] and result[:20] == expected for result in results)
    assert len(results) == 4
    assert cached(cache) == 40


@pytest.mark.parametrize("name", ["http://h:1/v1#m", "https://h/v1"])
def test_addresses_are_endpoints(name):
    assert is_endpoint(name)


@pytest.mark.parametrize("name", ["town", "org/name", "runs/a/stages/01-sft", "httpd"])
def test_names_and_folders_are_not(name):
    assert not is_endpoint(name)


def test_an_address_without_a_model_names_the_only_one_there(serve):
    one, two = serve(models=("toy",)), serve(models=("a/b", "c"))
    with pytest.raises(InputError, match=f"it names no model; write {one.url}#toy$"):
        open_endpoint(one.url, Sampling())
    with pytest.raises(InputError, match=f"write {two.url}#NAME with one of a/b, c$"):
        open_endpoint(two.url + "/", Sampling())


def test_an_address_with_a_secret_or_without_a_host_is_refused():
    for name in (f"http://me:{KEY}@h/v1#m", f"http://h/v1?key={KEY}#m"):
        with pytest.raises(InputError, match="holds a user name or a query") as caught:
            open_endpoint(name, Sampling())
        one_line(caught)
    with pytest.raises(InputError, match="no address"):
        open_endpoint("http://#m", Sampling())


def test_a_cache_that_is_something_else_is_refused(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("not a database, by far " * 100)
    with pytest.raises(
        InputError, match=r"notes.txt: the response cache can't be used .*; give another path"
    ) as caught:
        EndpointPolicy("http://h/v1", "m", Sampling(), cache=file).estimate(questions(1))
    one_line(caught)
    with pytest.raises(InputError, match="its folder can't be made"), opened(file / "below" / "cache"):
        pass


def test_the_first_answer_stays(tmp_path):
    with opened(tmp_path / "cache") as one, opened(tmp_path / "cache") as other:
        one.put("k", Reply("first", -1.0))
        other.put("k", Reply("second", -2.0))
        assert other.get(["none", "k"]) == {1: Reply("first", -1.0)}


def test_a_response_at_the_token_limit_is_told_and_kept_as_such(serve, tmp_path):
    server = serve(cut=frozenset({"question 1"}))
    first = policy_of(server, tmp_path / "cache").sample_ended(questions(3), seed=1)
    assert [ended for _, ended in first] == [True, False, True]
    policy = policy_of(server, tmp_path / "cache")
    assert policy.sample_ended(questions(3), seed=1) == first
    assert [[text] for text, _ in first] == policy.sample(questions(3), seed=1)
    assert server.requests == 3


def test_a_cache_from_before_limits_were_told_goes_on(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "old")) as connection:
        connection.execute("CREATE TABLE responses (key TEXT PRIMARY KEY, text TEXT NOT NULL, logprob REAL)")
        connection.execute("INSERT INTO responses VALUES ('k', 'kept', -1.0)")
        connection.commit()
    for _ in range(2):
        with opened(tmp_path / "old") as cache:
            cache.put("cut", Reply("half", -2.0, ended=False))
            assert cache.get(["k", "cut"]) == {0: Reply("kept", -1.0), 1: Reply("half", -2.0, ended=False)}
