import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from gyrocompass.config import Compute
from gyrocompass.models import loading, slots

ATTENDING = {
    "llama": {"num_key_value_heads": 1},
    "gpt2": {},
    "opt": {},
    "gemma2": {},
    "qwen2": {"num_key_value_heads": 1},
    "mistral": {"num_key_value_heads": 1, "sliding_window": 40},
}
LIKE_LLAMA = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.fixture
def made(tiny):
    """made(architecture, compute, **changes) -> a tiny Network of it with random weights."""
    tokenizer = tiny().tokenizer

    def make(architecture, compute=None, **changes):
        sizes = {
            "gpt2": {"n_positions": 256, "n_embd": 32, "n_layer": 2, "n_head": 2},
            "opt": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 64,
                    "max_position_embeddings": 256, "word_embed_proj_dim": 32},
            "gemma2": LIKE_LLAMA | {"num_key_value_heads": 1, "head_dim": 16},
            "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
            "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
        }.get(architecture, LIKE_LLAMA | {"max_position_embeddings": 256})  # fmt: skip
        torch.manual_seed(0)
        config = AutoConfig.for_model(architecture, vocab_size=257, bos_token_id=256, eos_token_id=256, pad_token_id=0,
                                      **sizes | changes)  # fmt: skip
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.2)
        return loading.of(model, tokenizer, compute or Compute(precision="fp32"))

    return make


@torch.inference_mode()
def decoded(found, cache, rows, starts):
    """Logits at each row's positions from starts[i] on, (steps, rows, vocabulary)."""
    slots.read(found, rows[:, : max(starts)], cache, 0, torch.arange(len(rows)))
    positions = torch.tensor(starts)
    out = []
    while int(positions.max()) < rows.shape[1]:
        tokens = rows[torch.arange(len(rows)), positions]
        out.append(slots.next_logits(found, tokens, positions, cache, int(positions.max()) + 1))
        positions = positions + 1
    return torch.stack(out)


def expected(found, rows, starts, steps):
    with torch.no_grad():
        plain = found.core(input_ids=rows, use_cache=False).logits
    return torch.stack([torch.stack([plain[i, start + t] for i, start in enumerate(starts)]) for t in range(steps)])


@pytest.mark.parametrize("architecture", ATTENDING)
def test_rows_of_different_length_get_the_logits_of_a_plain_forward_pass(made, architecture):
    found = made(architecture, **ATTENDING[architecture])
    assert slots.fits(found, 40)
    rows = torch.randint(257, (3, 39), generator=torch.Generator().manual_seed(0))
    logits = decoded(found, slots.allocate(found, 3, 40), rows, [30, 17, 1])
    torch.testing.assert_close(logits, expected(found, rows, [30, 17, 1], len(logits)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bloom", "mamba"])
def test_other_kinds_of_attention_and_state_don_t_fit(made, architecture):
    assert not slots.fits(made(architecture), 40)


def test_a_window_fits_as_long_as_nothing_leaves_it(made):
    found = made("mistral", num_key_value_heads=1, sliding_window=40)
    assert slots.fits(found, 40)
    assert not slots.fits(found, 41)


def test_a_model_that_goes_wrong_in_slots_is_found_out(made, monkeypatch):
    found = made("llama")
    monkeypatch.setattr(slots.Slots, "step", lambda self, positions, longest: torch.zeros(2, 1, 1, longest))
    assert not slots.fits(found, 40)


def test_a_short_context_doesn_t_fit(made):
    assert not slots.fits(made("llama", max_position_embeddings=slots.PROBE_TOKENS - 1), 16)


def test_bf16_keeps_states_in_bf16(made):
    found = made("llama", Compute(precision="bf16"))
    assert slots.fits(found, 40)
    rows = torch.randint(257, (2, 34), generator=torch.Generator().manual_seed(0))
    cache = slots.allocate(found, 2, 40)
    with found.autocast():
        logits = decoded(found, cache, rows, [30, 17]).float()
        reference = expected(found, rows, [30, 17], len(logits)).float()
    assert cache.layers[0].keys.dtype == cache.layers[0].values.dtype == torch.bfloat16
    assert (logits - reference).abs().max() < 0.1 * reference.std()


def test_one_prompt_fills_several_slots_and_a_moved_row_goes_on(made):
    found = made("llama")
    prompts = torch.randint(257, (2, 6), generator=torch.Generator().manual_seed(0))
    cache = slots.allocate(found, 4, 20)
    assert cache.length == 32  # whole extents
    with torch.inference_mode():
        slots.read(found, prompts[:, :5], cache, 1, torch.tensor([0, 1, 1]))
        keys = cache.layers[1].keys
        assert (keys[0] == 0).all()
        torch.testing.assert_close(keys[2], keys[3], atol=0, rtol=0)
        cache.move(torch.tensor([3, 1]), torch.tensor([0, 2]), 5)
        torch.testing.assert_close(keys[2], keys[1], atol=0, rtol=0)
        tokens = prompts[[1, 0, 0], 5]
        logits = slots.next_logits(found, tokens, torch.full((3,), 5), cache, 6)
    plain = expected(found, prompts, [5, 5], 1)[0]
    torch.testing.assert_close(logits, plain[[1, 0, 0]], atol=1e-5, rtol=1e-5)


def test_the_mask_shows_each_row_its_past():
    mask = slots.Slots(1, 4, 20, torch.float32).step(torch.tensor([0, 2]), 3)
    assert mask.shape == (2, 1, 1, slots.EXTENT_TOKENS)
    assert (mask[:, 0, 0] == 0).sum(1).tolist() == [1, 3]
    assert mask.unique().tolist() == [-torch.inf, 0]
