"""From messages to tokens, with the border between prompt and response known exactly.

Prompt and response are tokenised apart, so the tokens learnt on are the tokens a policy meets when it samples:
a byte-pair merge across the border can't happen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..records import Example, Message, Prompt, user

TRANSCRIPT_TEMPLATE = (
    "{{ BOS }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ '\n\nAssistant:' }}"
    "{% generation %}{{ ' ' + m['content'] + eos_token }}{% endgeneration %}"
    "{% elif m['role'] == 'system' %}{{ m['content'] }}"
    "{% else %}{{ '\n\nHuman: ' + m['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '\n\nAssistant:' }}{% endif %}"
)
"""For tokenizers without a chat template: the transcript format of HH-RLHF."""

HALF = "\ufffd"
"""What a character is decoded to while its last bytes are still to come."""

OPENING = 40
"""Characters by which a response that lost its end is found in what its row says."""

BORDER_SAMPLE = 200
"""Examples looked at for merges across the border: a few show whether the tokenizer makes them."""


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

    @property
    def prompt(self) -> tuple[int, ...]:
        return tuple(self.ids[: self.n_prompt])


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
    begin = tokenizer.bos_token_id
    ids = tokenizer(_render(tokenizer, user("a"), answer=False), add_special_tokens=False).input_ids
    if begin is not None and ids[:2] == [begin, begin]:
        notes.append("the chat template writes the begin token twice; one is taken off")
    return notes


def encode_prompts(tokenizer: Any, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Token ids of each prompt up to where the response begins."""
    texts = [_render(tokenizer, prompt, answer=False) for prompt in prompts]
    return _tokenise(tokenizer, texts)


def encode(tokenizer: Any, examples: Sequence[Example], max_tokens: int) -> Encoded:
    """Rows of prompt + response + end token, to learn from. What can't be used whole is left out and counted:
    rows longer than `max_tokens`, and responses that hold the end token's own text. A note says where a tokenizer
    would merge prompt and response.

    Raises InputError if an example has no response, or the chat template refuses it.
    """
    prompts, answers = _texts(tokenizer, examples)
    rows = _rows(tokenizer, prompts, answers)
    marked = {i for i, e in enumerate(examples) if tokenizer.eos_token in (e.response or "")}
    long = {i for i, row in enumerate(rows) if len(row) > max_tokens} - marked
    notes = _border_notes(tokenizer, [p + a for p, a in zip(prompts, answers, strict=True)], rows)
    if long:
        notes.append(
            f"{len(long):,} of {len(rows):,} examples are longer than {max_tokens:,} tokens (the longest: "
            f"{max(len(rows[i]) for i in long):,}) and were left out; raise max_tokens or shorten them"
        )
    if marked:
        notes.append(
            f"{len(marked):,} of {len(rows):,} responses hold the text {tokenizer.eos_token!r}, which ends a "
            "response, and were left out; remove it from them"
        )
    kept = [i for i in range(len(rows)) if i not in long and i not in marked]
    return Encoded([rows[i] for i in kept], kept, notes)


def encode_cut(tokenizer: Any, examples: Sequence[Example], max_tokens: int) -> tuple[list[Row], int]:
    """Rows to score, one an example: a response too long loses its end, but not its end token. And how many did.

    Raises InputError if a prompt alone fills `max_tokens`.
    """
    rows = _rows(tokenizer, *_texts(tokenizer, examples))
    longest = max((row.n_prompt for row in rows), default=0)
    if longest + 1 > max_tokens:
        raise InputError(f"a prompt of {longest:,} tokens fills the scorer's {max_tokens:,}; shorten it")
    long = sum(len(row) > max_tokens for row in rows)
    cut = [
        row if len(row) <= max_tokens else Row([*row.ids[: max_tokens - 1], row.ids[-1]], row.n_prompt) for row in rows
    ]
    return cut, long


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of a response, up to its end token and without special tokens."""
    ids = list(ids)
    if tokenizer.eos_token_id in ids:
        ids = ids[: ids.index(tokenizer.eos_token_id)]
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.strip()


def said(tokenizer: Any, ids: Sequence[int]) -> str:
    """What the first tokens of a response say, from its first character that isn't blank."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text.lstrip()


def begins_at(text: str, response: str) -> int:
    """After how many characters of what a row says its response itself begins: some templates put an empty thought
    before it."""
    whole = response.strip()
    if text.rstrip().endswith(whole):
        return len(text.rstrip()) - len(whole)
    return max(0, text.find(whole[:OPENING]))


def tokens_within(tokenizer: Any, ids: Sequence[int], characters: int) -> int:
    """How many of a response's tokens say no more than its first `characters`, counted as in `said`.

    A token that stands on both sides of the border isn't one of them, so that what follows is tokenised as it was.
    """

    def complete(n: int) -> int:
        return len(said(tokenizer, ids[:n]).rstrip(HALF))

    n = bisect_right(range(1, len(ids) + 1), characters, key=complete)
    while n and len(said(tokenizer, ids[:n])) > characters:  # bytes of a character that begins there
        n -= 1
    return n


def _texts(tokenizer: Any, examples: Sequence[Example]) -> tuple[list[str], list[str]]:
    """Prompts and responses as the chat template writes them."""
    prompts = [_render(tokenizer, e.prompt, answer=False) for e in examples]
    return prompts, [_response_text(tokenizer, e, prompt) for e, prompt in zip(examples, prompts, strict=True)]


def _border_notes(tokenizer: Any, texts: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """A note if whole texts give other tokens than the rows, tokenised apart, in an even sample of them."""
    stride = -(-len(rows) // BORDER_SAMPLE) | 1  # odd, so that both responses of pairs are met
    sample = rows[::stride]
    joint = _tokenise(tokenizer, list(texts[::stride]))
    merged = sum(whole[: len(row) - 1] != row.ids[:-1] for whole, row in zip(joint, sample, strict=True))
    if not merged:
        return []
    return [
        f"{merged:,} of {len(sample):,} examples looked at (of {len(rows):,}) have other tokens when prompt and "
        "response are tokenised as one text; handled: tokenised apart, as a policy meets them when it samples"
    ]


def _rows(tokenizer: Any, prompts: list[str], answers: list[str]) -> list[Row]:
    heads, tails = _tokenise(tokenizer, prompts), _tokenise(tokenizer, answers)
    return [_row(tokenizer, head, tail) for head, tail in zip(heads, tails, strict=True)]


def _row(tokenizer: Any, head: list[int], tail: list[int]) -> Row:
    """Cuts what a template writes after the end token, and adds the end token where it writes none."""
    end = tokenizer.eos_token_id
    tail = tail[: tail.index(end) + 1] if end in tail else [*tail, end]
    return Row(head + tail, len(head))


def _response_text(tokenizer: Any, example: Example, prompt: str) -> str:
    """What follows the prompt: as the template writes it, or where that rewrites the prompt, the bare response."""
    if example.response is None:
        raise InputError("an example has no response to learn from")
    answered = (*example.prompt, Message("assistant", example.response))
    whole = _render(tokenizer, answered, answer=True)
    return whole[len(prompt) :] if whole.startswith(prompt) else example.response


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
