"""Replies beside the team's, with what differs marked word by word."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.core.page.differences import MOST_WORDS, compared_replies, differences

TEXTS = st.lists(
    st.sampled_from(["open", "the", "app", ".", ",", " ", "  ", "\n", "Größe", "E-217", "<b>"])
).map("".join)


def marked(parts: list[tuple[str, bool]]) -> str:
    return "".join(f"[{text}]" if differs else text for text, differs in parts)


def test_what_differs_is_marked_on_both_sides() -> None:
    ours, theirs, share = differences(
        "Please restart the hub and wait five minutes.", "Please restart the router and wait ten minutes."
    )

    assert marked(ours) == "Please restart the [hub] and wait [five] minutes."
    assert marked(theirs) == "Please restart the [router] and wait [ten] minutes."
    assert round(share, 2) == 0.78


def test_a_run_of_words_is_one_mark_with_the_spaces_in_it() -> None:
    ours, theirs, _ = differences("Hello. Restart it twice. Regards", "Hello. Open the\nother page. Regards")

    assert marked(ours) == "Hello. [Restart it twice]. Regards"
    assert marked(theirs) == "Hello. [Open the\nother page]. Regards"


def test_a_short_word_that_stands_alone_breaks_up_no_mark() -> None:
    ours, _, _ = differences("take out the battery first", "press and hold the blue button")

    assert marked(ours) == "[take out the battery first]"


def test_case_and_space_are_no_difference() -> None:
    ours, theirs, share = differences("Restart  the HUB.", "restart the\nhub.")

    assert marked(ours) == "Restart  the HUB."
    assert marked(theirs) == "restart the\nhub."
    assert share == 1


@given(TEXTS, TEXTS)
def test_no_character_is_lost_or_moved(ours: str, theirs: str) -> None:
    left, right, share = differences(ours, theirs)

    assert "".join(text for text, _ in left) == ours
    assert "".join(text for text, _ in right) == theirs
    assert 0 <= share <= 1


def test_each_model_is_beside_the_team_in_one_order() -> None:
    (one,) = compared_replies(
        [
            {
                "question": "How?",
                "reference": "Restart the hub now.",
                "challenger": "Restart the router now.",
                "base": "zzz",
                "champion": "Restart the hub now.",
            }
        ]
    )

    assert [said.who for said in one.models] == ["base", "champion", "challenger"]
    assert [said.near for said in one.models] == [
        "0 % like the team's",
        "100 % like the team's",
        "80 % like the team's",
    ]
    assert [marked(said.parts) for said in one.models] == [
        "zzz",
        "Restart the hub now.",
        "Restart the [router] now.",
    ]
    assert marked(one.team.parts) == "Restart the [hub] now."
    assert one.is_marked


def test_what_is_empty_or_too_long_is_shown_and_not_compared() -> None:
    long = "word " * MOST_WORDS
    nothing, much = compared_replies(
        [
            {"question": "How?", "reference": "", "base": "", "challenger": "Restart it."},
            {"question": "How?", "reference": long, "challenger": long},
        ]
    )

    assert (nothing.team.parts, nothing.models[0].parts) == ([], [])
    assert [said.near for said in (*nothing.models, *much.models)] == ["", "", ""]
    assert much.models[0].parts == [(long, False)]
    assert not nothing.is_marked
