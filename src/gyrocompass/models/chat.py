"""From messages to tokens, with the border between prompt and response known exactly.

Prompt and response are tokenised apart, so the tokens learnt on are the tokens a policy meets when it samples:
a byte-pair merge across the border can't happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..records import Example, Message, Prompt

TRANSCRIPT_TEMPLATE = (
    "{{ BOS }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ '\n\nAssistant:' }}"
    "{% generation %}{{ ' ' + m['content'] + eos_token }}{% endgeneration %}"
    "{% elif m['role'] == 'system' %}{{ m['content'] }}"
    "{% else %}{{ '\n\nHuman: ' + m['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '\n\nAssistant:' }}{% endif %}"
)
"""For tokenizers without a chat template: the transcript format of HH-RLHF."""


@dataclass(frozen=True, slots=True)
class Row:
    """One tokenised conversation: `ids`, of which the first `n_prompt` are the prompt."""

    ids: list[int]
    n_prompt: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_response(self) -> int:
        return len(self.ids) - self.n_prompt


@dataclass
class Encoded:
    """Rows in the order of their examples; `kept[i]` is the example's index, `notes` what a user should know."""

    rows: list[Row]
    kept: list[int]
    notes: list[str] = field(default_factory=list)


def prepare(tokenizer: Any) -> list[str]:
    """Gives the tokenizer a pad token and a chat template where it lacks them. Returns warnings.

    Raises InputError for a tokenizer without an end token: nothing would ever stop a response.
    """
    notes = []
    if tokenizer.eos_token_id is None:
        raise InputError(f"{tokenizer.name_or_path}: the tokenizer has no end token; set eos_token in its config")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
        notes.append("the tokenizer has no pad token; its end token pads, and masks tell them apart")
    if not tokenizer.chat_template:
        begins = tokenizer("").input_ids[:1] == [tokenizer.bos_token_id] and tokenizer.bos_token
        tokenizer.chat_template = TRANSCRIPT_TEMPLATE.replace("{{ BOS }}", tokenizer.bos_token if begins else "")
        notes.append("the tokenizer has no chat template; it gets the 'Human: / Assistant:' transcript format")
    return notes


def encode_prompts(tokenizer: Any, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Token ids of each prompt up to where the response begins."""
    texts = [_render(tokenizer, prompt, answer=False) for prompt in prompts]
    return _tokenise(tokenizer, texts)


def encode(tokenizer: Any, examples: Sequence[Example], max_tokens: int) -> Encoded:
    """Rows of prompt + response + end token. Rows longer than `max_tokens` are left out and counted.

    Raises InputError if an example has no response, or if the chat template writes the prompt differently
    once a response follows, so that no border between them exists.
    """
    prompts = [_render(tokenizer, e.prompt, answer=False) for e in examples]
    answers = [_response_text(tokenizer, e, prompt) for e, prompt in zip(examples, prompts, strict=True)]
    heads, tails = _tokenise(tokenizer, prompts), _tokenise(tokenizer, answers)
    rows = [_row(tokenizer, head, tail) for head, tail in zip(heads, tails, strict=True)]
    kept = [i for i, row in enumerate(rows) if len(row) <= max_tokens]
    notes = []
    if len(kept) < len(rows):
        long, longest = len(rows) - len(kept), max(map(len, rows))
        notes.append(
            f"{long:,} of {len(rows):,} examples are longer than {max_tokens:,} tokens (the longest: {longest:,}) "
            "and were left out; raise max_tokens or shorten them"
        )
    return Encoded([rows[i] for i in kept], kept, notes)


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of a response, up to its end token and without special tokens."""
    ids = list(ids)
    if tokenizer.eos_token_id in ids:
        ids = ids[: ids.index(tokenizer.eos_token_id)]
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.strip()


def _row(tokenizer: Any, head: list[int], tail: list[int]) -> Row:
    """Cuts what a template writes after the end token, and adds the end token where it writes none."""
    end = tokenizer.eos_token_id
    tail = tail[: tail.index(end) + 1] if end in tail else [*tail, end]
    return Row(head + tail, len(head))


def _response_text(tokenizer: Any, example: Example, prompt: str) -> str:
    if example.response is None:
        raise InputError("an example has no response to learn from")
    answered = (*example.prompt, Message("assistant", example.response))
    whole = _render(tokenizer, answered, answer=True)
    if whole.startswith(prompt):
        return whole[len(prompt) :]
    before, found, after = whole.rpartition(example.response.strip())
    if not found or not before:
        raise InputError("the chat template doesn't contain the response as given; use another template")
    return found + after


def _render(tokenizer: Any, messages: Prompt, *, answer: bool) -> str:
    turns = [{"role": m.role, "content": m.content} for m in messages]
    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=not answer)
    except Exception as error:  # templates raise whatever they like
        raise InputError(f"the chat template refuses this conversation: {error}") from None
    return text


def _tokenise(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False).input_ids
    begin = tokenizer.bos_token_id
    if begin is None:
        return ids
    return [row[1:] if row[:2] == [begin, begin] else row for row in ids]
