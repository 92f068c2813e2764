"""The town's tokenizer and the shape of its models."""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, PreTrainedTokenizerFast

from ...records import ROLES, Message
from .words import WORDS

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
SPECIAL = (PAD, EOS, UNK, *(f"<{role}>" for role in ROLES))
CONTEXT_TOKENS = 128

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '' if loop.first else ' ' }}{{ '<' + message['role'] + '> ' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + ' <eos>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{{ ' <assistant>' if add_generation_prompt else '' }}"
)

Document = str | tuple[Message, ...]
"""Plain text, or the messages of a chat."""


def length_tokens(document: Document) -> int:
    """The tokens of a document, its end and its role tokens included."""
    if isinstance(document, str):
        return len(document.split()) + 1
    return sum(len(m.content.split()) + (2 if m.role == "assistant" else 1) for m in document)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word, single spaces between; decoding an encoded chat gives its text back exactly."""
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNK))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        additional_special_tokens=[f"<{role}>" for role in ROLES],
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT_TOKENS,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def config(width: int = 128, layers: int = 4, heads: int = 4) -> LlamaConfig:
    """The shape of a town model, by default the base: about 0.9 million parameters, under 4 MB in float32."""
    return LlamaConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        pad_token_id=SPECIAL.index(PAD),
        eos_token_id=SPECIAL.index(EOS),
        bos_token_id=None,
        dtype="float32",
    )
