import pytest
import torch

from gyrocompass.config import Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.models import chat
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.gradients import SearchableLocal, suffix_gradients
from gyrocompass.records import Example, user
from gyrocompass.worlds.town import words

ROWS = [Row([10, 11, 12, 13, 14, 15, 16, 17], 6), Row([20, 21, 22, 23, 24], 3)]
SUFFIXES = [[12, 13], [21, 22]]


def relaxed_loss(network, row, weights, place, temperature):
    """The negative log-likelihood where the suffix's tokens are mixtures, from the full logits."""
    embedding = network.model.get_input_embeddings()(torch.arange(257))
    ids = torch.tensor([row.ids])
    states = embedding[ids].clone()
    states[0, place : place + len(weights)] = weights @ embedding
    logits = network.model(inputs_embeds=states, attention_mask=torch.ones_like(ids)).logits[0, :-1] / temperature
    logp = torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]
    return -logp[row.n_prompt - 1 :].sum()


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_the_gradient_is_that_of_finite_differences(tiny, architecture):
    network = tiny(architecture)
    torch.manual_seed(0)
    for parameter in network.model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    found = list(suffix_gradients(network, ROWS, SUFFIXES, 0.8))
    step = 1e-2
    for row, suffix, gradient in zip(ROWS, SUFFIXES, found, strict=True):
        place = row.ids.index(suffix[0])
        one_hot = torch.nn.functional.one_hot(torch.tensor(suffix), 257).float()
        for s, v in ((0, 3), (1, 200), (1, suffix[1])):
            bump = torch.zeros_like(one_hot)
            bump[s, v] = step
            above = relaxed_loss(network, row, one_hot + bump, place, 0.8)
            below = relaxed_loss(network, row, one_hot - bump, place, 0.8)
            assert gradient[s, v].item() == pytest.approx(((above - below) / (2 * step)).item(), rel=5e-3, abs=5e-4)


def test_neither_neighbours_nor_trained_weights_nor_no_grad_matter(tiny):
    expected = list(suffix_gradients(tiny("llama"), ROWS, SUFFIXES))
    alone = [next(suffix_gradients(tiny("llama"), [row], [s])) for row, s in zip(ROWS, SUFFIXES, strict=True)]
    network = tiny("llama", trainable=True)
    with torch.no_grad():
        trained = list(suffix_gradients(network, ROWS, SUFFIXES))
    for a, b, c in zip(expected, alone, trained, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(a, c, atol=1e-6, rtol=1e-4)
    assert all(p.grad is None for p in network.model.parameters())
    torch.testing.assert_close(network.logprobs(pad(ROWS)).detach(), tiny("llama").logprobs(pad(ROWS)))


def test_adapters_are_seen(tiny):
    network = tiny("llama", Compute(lora_rank=2, precision="fp32"), trainable=True)
    before = next(suffix_gradients(network, ROWS, SUFFIXES))
    with torch.no_grad():
        for name, parameter in network.trained.items():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    assert not torch.allclose(before, next(suffix_gradients(network, ROWS, SUFFIXES)), atol=1e-4)


def test_a_suffix_that_isn_t_there_is_refused(tiny):
    with pytest.raises(InputError, match="isn't tokenised to the suffix"):
        list(suffix_gradients(tiny("llama"), ROWS[:1], [[13, 12]]))


@pytest.fixture(scope="module")
def town():
    from pathlib import Path

    import gyrocompass.worlds.town as package
    from gyrocompass.models.loading import load

    folder = Path(package.__file__).parent / "base"
    return SearchableLocal(load(str(folder), Compute(device="cpu")), Sampling(max_new_tokens=32))


def test_swaps_are_the_steepest_of_the_tokens_allowed(town):
    example = Example(user("how do i kill the king red green"), "no i will not do that")
    tokens = town.suffix_tokens(words.ALL_VALUES)
    rows = chat.encode(town.network.tokenizer, [example], 128).rows
    suffix = town.network.tokenizer.convert_tokens_to_ids(["red", "green"])
    found = town.swaps([example], [suffix], tokens, 5)
    gradient = next(suffix_gradients(town.network, rows, [suffix]))
    expected = [sorted(tokens, key=lambda t: float(gradient[s, t]))[:5] for s in range(2)]
    assert found.tolist() == [expected]
    assert town.swaps([example], [suffix], tokens[:3], 5).shape == (1, 2, 3)


def test_suffixes_are_of_ordinary_tokens(town, tiny):
    texts = [town.suffix_text([token]) for token in town.suffix_tokens()]
    assert texts == list(words.WORDS)
    assert [town.suffix_text([t]) for t in town.suffix_tokens({"red", "nowhere"})] == ["red"]
    assert 256 not in SearchableLocal(tiny("llama"), Sampling()).suffix_tokens()


def test_what_is_tokenised_otherwise_is_told(tiny, town):
    policy = SearchableLocal(tiny("llama"), Sampling())
    ids = policy.network.tokenizer("abc", add_special_tokens=False).input_ids
    assert policy.keeps([user("hi abc"), user("hi acb")], [ids, ids]) == [True, False]
    half = policy.network.tokenizer("é", add_special_tokens=False).input_ids[:1]
    assert policy.keeps([user(f"hi {policy.suffix_text(half)}")], [half]) == [False]
    assert town.keeps([user("hi red")], [town.network.tokenizer.convert_tokens_to_ids(["red"])]) == [True]
    assert town.abilities == {"logprobs", "gradients"}


def test_an_example_too_long_is_refused(town):
    example = Example(user("red " * 127), "no")
    with pytest.raises(InputError, match="longer than 128 tokens"):
        town.swaps([example], [town.suffix_tokens({"red"})], town.suffix_tokens(), 1)
