"""Figures of written replies: how near they are to what the support team wrote, and whether they are fit to be sent.

They are for people: the gate goes by the loss, which sees every token of every row.
"""

from collections.abc import Sequence

from tasks.core.judging.generation import Reply

GRAM = 4  # words in a row that are not said twice by a reply that goes round in circles


def reply_figures(replies: Sequence[Reply], references: Sequence[str]) -> dict[str, float]:
    """Give the figures of replies to as many questions, with what the team replied.

    `chrf` (0 to 100, of all replies together) and `rouge_l` (0 to 1, F1 of words, the mean of replies) tell how much of the
    team's words and order there is; `exact` is the share that is the same. `ended` is the share that came to an end,
    `length_ratio` the characters written for each of the team's, `repeated` the share of four words in a row that were
    said before in the same reply.

    Source: chrF (Popović 2015) by sacrebleu; ROUGE-L (Lin 2004) on words, by rapidfuzz's longest common subsequence.
    """
    from rapidfuzz.distance import LCSseq
    from sacrebleu import CHRF

    texts = [reply.text for reply in replies]
    words = [
        (text.casefold().split(), team.casefold().split())
        for text, team in zip(texts, references, strict=True)
    ]
    overlaps = [2 * LCSseq.similarity(ours, team) / max(len(ours) + len(team), 1) for ours, team in words]
    return {
        "chrf": float(CHRF().corpus_score(texts, [list(references)]).score),
        "rouge_l": _mean(overlaps),
        "exact": _mean([float(ours == team) for ours, team in words]),
        "ended": _mean([float(reply.stopped) for reply in replies]),
        "length_ratio": sum(map(len, texts)) / max(sum(map(len, references)), 1),
        "repeated": _mean([_repeated(ours) for ours, _ in words]),
        "replies": float(len(replies)),
    }


def _repeated(words: Sequence[str]) -> float:
    grams = [tuple(words[at : at + GRAM]) for at in range(len(words) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
