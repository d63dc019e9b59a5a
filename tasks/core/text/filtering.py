"""Filtering: which clean rows cannot teach, by what they say and by how the conversation ended."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.settings import CleaningSettings, Outcome

PLACEHOLDER = re.compile(r"<[A-Z]{2,10}_\d+>")
LETTER = re.compile(r"[^\W\d_]")
# Base64, hexadecimal and the like, in one piece or in lines; long words and addresses have hardly any digits.
BLOB = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
DIGIT = re.compile(r"\d")
DIGIT_SHARE = 0.05
BLOB_CHARS = 200
BLOB_SHARE = 0.6
MOST_BLANKS = 0.1  # prose has one in six; where prose is two fifths, one in fifteen
THANKS = frozenset(
    re.findall(
        r"\S+",
        "thanks thank thx ty cheers danke dankeschön merci gracias grazie bedankt dank obrigado ok okay k yes "
        "yep done solved resolved fixed works worked perfect great super awesome excellent erledigt gelöst "
        "funktioniert geklappt perfekt parfait résolu résolue marche réglé perfecto solucionado resuelto "
        "funciona listo risolto funziona perfetto opgelost gelukt werkt welcome gern gerne bitte nada rien "
        "prego",
    )
)
FILLERS = frozenset(
    re.findall(
        r"\S+",
        "you very much so a lot it that this is was has been got i we all now again for your the help quick "
        "reply answer support my me and really many good nice well just fine best up sir everyone guys "
        "pleasure no problem issue vielen herzlichen schön sehr für die ihre deine eure hilfe antwort "
        "schnelle jetzt wieder alles es das hat ist und ja auch nochmals beaucoup bien pour votre ton aide "
        "réponse c'est ça tout est maintenant oui je vous de muchas mil por su tu ayuda respuesta ya todo "
        "bien está sí muy mille molto per il tuo suo vostro aiuto risposta ora tutto di sì je wel hartelijk "
        "voor uw hulp het nu alles goed ja u",
    )
)
ACKNOWLEDGEMENT_CHARS = 120
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
SENTENCE = re.compile(r"[^.!?\n]*[.!?\n]?")


def drop_reason(
    row: Mapping[str, str], min_question_chars: int, min_reply_chars: int, languages: Sequence[str]
) -> str | None:
    """Name the rule of length or language by which a row is filtered, or None when it stays.

    `en` keeps `en-US`; a row without a language is kept, since nothing is known against it.
    """
    if len(row["question"]) < min_question_chars:
        return "short_question"
    if len(row["reply"]) < min_reply_chars:
        return "short_reply"
    if languages and row["language"]:
        code = row["language"].lower().replace("_", "-")
        wanted = [language.lower() for language in languages]
        if not any(code == one or code.startswith(f"{one}-") for one in wanted):
            return "language"
    return None


def find_rule(row: Mapping[str, Any], rules: CleaningSettings, outcome: Outcome) -> str | None:
    """Name the first rule by which a clean row is filtered, or None when it stays."""
    for text in (row["question"], row["reply"]):
        if "<" in text and is_only_personal_data(text):
            return "only_personal_data"
        if is_blob(text):
            return "blob"
    reason = drop_reason(row, rules.min_question_chars, rules.min_reply_chars, rules.languages)
    if reason:
        return reason
    if rules.drop_acknowledgements and is_acknowledgement(row["reply"]):
        return "acknowledgement"
    if rules.drop_counter_questions and is_counter_question(row["reply"]):
        return "counter_question"
    return _outcome_rule(row, outcome)


def is_only_personal_data(text: str) -> bool:
    """Say whether nothing but placeholders, digits and signs is left of a text."""
    rest, count = PLACEHOLDER.subn("", text)
    return count > 0 and not LETTER.search(rest)


def is_blob(text: str) -> bool:
    """Say whether a text is mostly encoded data: long runs with letters and digits but no blanks."""
    if len(text) < BLOB_CHARS or text.count(" ") > len(text) * MOST_BLANKS:
        return False
    runs = [
        run
        for run in BLOB.findall(text)
        if LETTER.search(run) and len(DIGIT.findall(run)) > DIGIT_SHARE * len(run)
    ]
    covered = sum(map(len, runs))
    return covered >= BLOB_CHARS and covered >= BLOB_SHARE * len(text)


def is_acknowledgement(reply: str) -> bool:
    """Say whether a reply only thanks or confirms."""
    if len(reply) > ACKNOWLEDGEMENT_CHARS:
        return False
    words = [word.lower() for word in WORD.findall(PLACEHOLDER.sub("", reply))]
    return (
        bool(words)
        and not THANKS.isdisjoint(words)
        and all(word in THANKS or word in FILLERS for word in words)
    )


def is_counter_question(reply: str) -> bool:
    """Say whether a reply only asks back: it ends in a question, and all else are thanks and words of greeting."""
    if not reply.endswith("?"):
        return False
    sentences = [sentence.strip() for sentence in SENTENCE.findall(reply)]
    return all(
        sentence.endswith("?") or len(sentence.split()) <= 2 or is_acknowledgement(sentence)
        for sentence in sentences
    )


def _outcome_rule(row: Mapping[str, Any], outcome: Outcome) -> str | None:
    votes, csat = row.get("votes"), row.get("csat")
    if outcome.only_solved and row.get("solved") is not True:
        return "unsolved"
    if outcome.min_votes is not None and votes is not None and votes < outcome.min_votes:
        return "few_votes"
    if outcome.min_csat is not None and csat is not None and csat < outcome.min_csat:
        return "low_csat"
    if outcome.drop_reopened and row.get("reopened") is True:
        return "reopened"
    return None
