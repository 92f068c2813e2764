"""Loss and gradient on one batch against TRL's own trainers, fp32.

TRL tokenises, pads and computes its loss; the tokens of its batch become rows here, cut into micro-batches of their
own. Losses agree within 1e-5 of their value, gradients within 1e-5 of the largest entry of the whole gradient.
"""

from functools import partial

import pytest
import torch

from gyrocompass.config import SFT, Compute, Reward
from gyrocompass.learn.reward import RewardModelling
from gyrocompass.learn.sft import Finetuning
from gyrocompass.maths import preferences
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.pairs import PairRows, pair_batches, pair_logprobs

trl = pytest.importorskip("trl")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

MICRO_BATCHES = Compute(precision="fp32", micro_batch_tokens=256)
BETA, NOISE = 0.3, 0.1

PAIRS = [
    ("Name a tree.", " Oak", " I would rather not name any tree, for there are so many of them and all are good."),
    ("2 + 2?", " 4", " 5"),
    ("Tell me a story about a fox who had lost its way in the snow.", " " + "It ran on and on. " * 7, " No."),
    ("Hi", " Hello, how can I help?", " Go away!"),
    ("What is the capital of Peru, and how high does it lie above the sea?", " Lima; 150 m.", " Cusco; 3,400 m."),
    ("Sing.", " La la la la la la la la", " Hm"),
]
"""Prompt, chosen and rejected response, of skewed lengths: 1 to 130 bytes."""


@pytest.fixture
def trainer(checkpoint, tmp_path):
    """trainer(method, **settings) -> TRL's trainer of a tiny model that has moved away from its checkpoint."""
    import datasets
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    folder = checkpoint("llama")
    options = {"output_dir": str(tmp_path), "report_to": "none", "save_strategy": "no", "use_cpu": True, "bf16": False}
    options |= {"max_length": None, "per_device_train_batch_size": 2 * len(PAIRS), "activation_checkpointing": False}

    def make(method, pad_token="~", **changes):
        tokenizer = AutoTokenizer.from_pretrained(folder, pad_token=pad_token)
        kind, head = AutoModelForCausalLM, {}
        if method == "Reward":
            kind, head = AutoModelForSequenceClassification, {"num_labels": 1, "pad_token_id": tokenizer.pad_token_id}
        second = "completion" if method == "SFT" else "chosen"
        rows = [dict(zip(("prompt", second, "rejected"), pair, strict=True)) for pair in PAIRS]
        made = getattr(trl, f"{method}Trainer")(
            model=kind.from_pretrained(folder, dtype=torch.float32, **head),
            args=getattr(trl, f"{method}Config")(**options, **changes),
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        move(made.model)
        return made

    return make


def move(model):
    """Away from where it began, so that log-ratios aren't 0."""
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=g)


def same_weights(tiny, peer, **options):
    network = tiny("llama", MICRO_BATCHES, trainable=True, **options)
    network.model.load_state_dict(peer.model.state_dict())
    return network


def batch_of(peer):
    return next(iter(peer.get_train_dataloader()))


def rows_of(batch, prefix=""):
    """The rows of a TRL batch. Its attention mask marks a row, its completion mask or labels the response."""
    response = batch[f"{prefix}completion_mask"] if "completion_mask" in batch else batch["labels"] != -100
    lengths = batch[f"{prefix}attention_mask"].sum(1)
    prompts = (lengths - response.sum(1)).tolist()
    return [Row(row, prompt) for row, prompt in zip(cut(batch[f"{prefix}input_ids"], lengths), prompts, strict=True)]


def cut(ids, lengths):
    return [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)]


def halves(rows):
    """A TRL batch of pairs holds all chosen responses, then all rejected ones."""
    return zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True)


def pairs_of(batch):
    return [PairRows(chosen, rejected, p_first=1.0, strength=0.0) for chosen, rejected in halves(rows_of(batch))]


def scored_pairs(batch, lengths):
    """A reward batch doesn't tell the prompt, nor does a score depend on it: its first token stands for it."""
    rows = [Row(ids, n_prompt=1) for ids in cut(batch["input_ids"], lengths)]
    return [PairRows(chosen, rejected, p_first=1.0, strength=0.0) for chosen, rejected in halves(rows)]


def losses(method):
    """A method's loss on each micro-batch of its first step."""
    (micros,) = method.collect(1).batches
    assert len(micros) > 1
    return (method.loss(micro)[0] for micro in micros)


def assert_same(network, shares, peer, batch):
    """Our micro-batches' shares add up to TRL's loss, and so do their gradients."""
    ours = torch.zeros(())
    for share in shares:
        share.backward()
        ours += share.detach()
    theirs = peer.compute_loss(peer.model, dict(batch))
    theirs.backward()
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=0)
    expected = {name: parameter.grad for name, parameter in peer.model.named_parameters()}
    found = {name: parameter.grad for name, parameter in network.model.named_parameters()}
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * largest)


def test_sft(trainer, tiny):
    peer = trainer("SFT")
    batch, network = batch_of(peer), same_weights(tiny, peer)
    method = Finetuning(network, rows_of(batch), SFT(batch_size=len(PAIRS)), seed=0)
    assert_same(network, losses(method), peer, batch)


def assert_same_reward(tiny, peer, batch, lengths):
    network = same_weights(tiny, peer, scalar=True)
    config = Reward(batch_size=len(PAIRS), centring=0)
    assert_same(network, losses(RewardModelling(network, scored_pairs(batch, lengths), config, seed=0)), peer, batch)


def test_reward(trainer, tiny):
    peer = trainer("Reward")
    batch = batch_of(peer)
    assert_same_reward(tiny, peer, batch, batch["attention_mask"].sum(1))


def test_reward_where_the_end_token_pads(trainer, tiny):
    """A difference by definition: TRL then takes the end token for padding and scores at the token before it."""
    peer = trainer("Reward", pad_token="<|endoftext|>")
    batch = batch_of(peer)
    assert_same_reward(tiny, peer, batch, batch["attention_mask"].sum(1) - 1)


PAIR_LOSSES = {
    "sigmoid": partial(preferences.dpo, beta=BETA),
    "hinge": partial(preferences.hinge, beta=BETA),
    "robust": partial(preferences.robust, beta=BETA, label_noise=NOISE),
    "ipo": partial(preferences.ipo, beta=BETA),
    "sigmoid_norm": partial(preferences.dpo, beta=BETA),
}
PER_TOKEN = {"ipo", "sigmoid_norm"}
"""Losses whose log-ratios TRL divides by the response's tokens, its end token among them."""


@pytest.mark.parametrize("name", PAIR_LOSSES)
def test_dpo_and_its_family(trainer, tiny, name):
    """A difference by definition: TRL's sigmoid loss disregards label noise, so it equals ours without any."""
    peer = trainer("DPO", loss_type=[name], beta=BETA, label_smoothing=NOISE)
    batch, network, reference = batch_of(peer), same_weights(tiny, peer), tiny("llama", MICRO_BATCHES)
    micros = pair_batches(network, pairs_of(batch), range(len(PAIRS)))
    assert len(micros) > 1

    def share(micro):
        kept = pair_logprobs(reference, micro)
        first, second = (now - before for now, before in zip(pair_logprobs(network, micro), kept, strict=True))
        if name in PER_TOKEN:
            first, second = first / micro.first_tokens, second / micro.second_tokens
        return PAIR_LOSSES[name](first, second, micro.p_first, count=micro.total_pairs)[0]

    assert_same(network, map(share, micros), peer, batch)


def test_kto(trainer, tiny):
    """The baseline is the mean log-ratio of the responses that TRL's batch pairs with other prompts."""
    peer = trainer("KTO", beta=BETA, desirable_weight=1.5, undesirable_weight=0.5)
    batch, network, reference = batch_of(peer), same_weights(tiny, peer), tiny("llama", MICRO_BATCHES)

    def log_ratios(rows):
        return (network.logprobs(pad(rows)) - reference.logprobs(pad(rows))).sum(1)

    baseline = log_ratios(rows_of(batch, "KL_")).mean().detach().clamp(min=0)
    assert baseline > 0
    loss, _ = preferences.kto(log_ratios(rows_of(batch)), batch["label"], baseline, BETA, 1.5, 0.5)
    assert_same(network, [loss], peer, batch)
