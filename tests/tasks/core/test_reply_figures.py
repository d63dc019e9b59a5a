"""Figures of replies: what they say of the same, of the like, and of nonsense."""

import pytest

from tasks.core.judging.generation import Reply
from tasks.core.judging.reply_figures import reply_figures

TEAM = ["Please open Settings, then Account, and tap Sync now.", "We have sent you a new link by mail."]


def figures(*texts: str, stopped: bool = True) -> dict[str, float]:
    return reply_figures([Reply(text, stopped) for text in texts], TEAM)


def test_the_same_is_the_same() -> None:
    found = figures(*TEAM)
    assert found["chrf"] == pytest.approx(100)
    assert (found["rouge_l"], found["exact"], found["ended"], found["length_ratio"]) == (1, 1, 1, 1)
    assert (found["repeated"], found["replies"]) == (0, 2)


def test_the_nearer_the_higher() -> None:
    near = figures("Open Settings, then Account, and tap Sync.", "We have sent a link by mail.")
    far = figures("Bananas ripen faster in a bag.", "The moon is far away tonight.")
    assert 50 < near["chrf"] < 100
    assert near["chrf"] > 2 * far["chrf"]
    assert near["rouge_l"] > 0.7 > far["rouge_l"]
    assert near["exact"] == far["exact"] == 0


def test_rouge_is_the_longest_common_subsequence_of_words() -> None:
    found = reply_figures([Reply("a b x c d", stopped=True)], ["a b c y d e"])
    assert found["rouge_l"] == pytest.approx(2 * 4 / (5 + 6))


def test_circles_and_silence_are_seen() -> None:
    circles = figures("we are sorry for this we are sorry for this we are sorry for this", "", stopped=False)
    assert circles["repeated"] == pytest.approx((1 - 5 / 12) / 2)
    assert circles["ended"] == 0
    assert figures("", "")["length_ratio"] == 0
