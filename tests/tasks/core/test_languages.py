"""Languages are identified offline, and doubt is not hidden."""

import socket

import pytest

from tasks.core.settings import CleaningSettings
from tasks.core.text.conversation_cleaning import clean_conversations
from tasks.core.text.languages import detect_language

SENTENCES = {
    "en": "The lamp does not turn on when I press the button, and the app says that it is not connected to my network.",
    "de": "Die Lampe geht nicht an, wenn ich auf den Knopf drücke, und die App sagt, dass sie nicht mit dem Netz verbunden ist.",
    "fr": "La lampe ne s'allume pas quand j'appuie sur le bouton, et l'application dit qu'elle n'est pas connectée au réseau.",
    "es": "La lámpara no se enciende cuando pulso el botón, y la aplicación dice que no está conectada a la red de mi casa.",
    "it": "La lampada non si accende quando premo il pulsante, e l'applicazione dice che non è collegata alla rete di casa.",
    "nl": "De lamp gaat niet aan als ik op de knop druk, en de app zegt dat hij niet met het netwerk verbonden is bij mij.",
    "pl": "Lampa nie włącza się, kiedy naciskam przycisk, a aplikacja mówi, że nie jest połączona z siecią w moim domu.",
    "tr": "Düğmeye bastığımda lamba yanmıyor ve uygulama evimdeki ağa bağlı olmadığını söylüyor, ne yapmam gerekiyor acaba?",
    "ja": "ボタンを押してもランプが点灯せず、アプリには自宅のネットワークに接続されていないと表示されます。どうすればよいでしょうか。設定を確認しましたが変わりません。",
    "ru": "Лампа не включается, когда я нажимаю кнопку, а приложение говорит, что она не подключена к моей домашней сети.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_language_is_identified(code: str) -> None:
    assert detect_language(SENTENCES[code]) == code
    assert detect_language(SENTENCES[code][:60], SENTENCES[code][60:]) == code
    assert detect_language(SENTENCES[code].upper()) == code


@pytest.mark.parametrize(
    "text",
    ["", "ok", "The lamp is broken.", "0123456789 " * 20, "https://x.example/" + "a/" * 60, "\x00\n" * 50],
)
def test_what_is_short_or_no_language_abstains(text: str) -> None:
    assert detect_language(text) == ""


def test_code_and_addresses_do_not_count() -> None:
    noise = "`while not lamp.is_on: press(button)` https://x.example/the/lamp/and/the/button "
    assert detect_language(noise * 2 + SENTENCES["de"]) == "de"


def test_any_string_can_be_asked_about() -> None:
    assert detect_language("\ud800 " + SENTENCES["en"] + "\x00\n\r") == "en"


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("tasks.core.text.languages._model.cache_clear", None, raising=False)
    assert detect_language(SENTENCES["en"]) == "en"


def test_the_log_is_believed_and_gaps_are_filled() -> None:
    row = {"question": SENTENCES["de"], "reply": SENTENCES["de"], "history": [], "requester": "", "agent": ""}
    for language, rules, expected in (
        ("xx", CleaningSettings(), ("xx", "log")),
        ("", CleaningSettings(), ("de", "detected")),
        (" ", CleaningSettings(detect_language=False), ("", "")),
    ):
        clean = clean_conversations([{**row, "language": language}], rules)[0].row
        assert (clean["language"], clean["language_source"]) == expected
        assert clean_conversations([clean], rules)[0].row == clean
