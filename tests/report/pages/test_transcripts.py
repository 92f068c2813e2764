from __future__ import annotations

from pathlib import Path

from gyrocompass.report import RunData, Sample, read
from gyrocompass.report.pages.transcripts import Transcript, transcripts


def chosen(run: RunData) -> list[Transcript]:
    section = transcripts(run)
    assert section is not None
    return [*section.content["shown"], *section.content["folded"]]  # type: ignore[misc]


def said(prompt: str, **responses: str) -> list[Sample]:
    return [Sample(model, prompt, response, "k") for model, response in responses.items()]


def test_the_first_prompt_on_which_all_differ_is_chosen() -> None:
    samples = [
        *said("same", base="x", ppo="x"),
        *said("partial", ppo="y"),
        *said("first", ppo="z", base="y"),
        *said("second", base="p", ppo="q"),
    ]
    (transcript,) = chosen(RunData("r", samples=tuple(samples)))
    assert transcript.prompt == "first"
    assert [answer.model for answer in transcript.answers] == ["base", "ppo"]


def test_the_first_response_counts_and_equal_responses_are_shown_if_there_are_no_others() -> None:
    samples = [*said("only", base="x", ppo="x"), *said("only", base="later")]
    (transcript,) = chosen(RunData("r", samples=tuple(samples)))
    assert [answer.response for answer in transcript.answers] == ["x", "x"]


def test_one_transcript_a_kind_and_the_greatest_losses_first(run_folder: Path) -> None:
    kinds = [transcript.kind for transcript in chosen(read(run_folder))]
    assert kinds == ["look-alike", "unknowable", "rude", "fact", "jailbreak", "harmful"]


def test_scores_that_are_missing_are_not_shown() -> None:
    (transcript,) = chosen(RunData("r", samples=(Sample("ppo", "p", "r", proxy=0.5),)))
    assert transcript.answers[0].scores == (("proxy", 0.5),)
