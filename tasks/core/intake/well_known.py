"""Well-known names: what columns, keys and roles are called in most logs; written as `detection.normal_name` does.

Names in one tier are equally plausible, and two of them are a tie; a tier counts only where none before it is there.
"""

from collections.abc import Mapping

Tiers = tuple[tuple[str, ...], ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


IDS: Tiers = (
    _names("conversation_id conversation conv_id"),
    _names(
        "ticket_id ticket ticket_number thread_id thread case_id case_number issue_id incident_id discussion_id"
    ),
    _names("dialog_id dialogue_id dialog dialogue chat_id session_id topic_id question_id"),
    _names("id"),
    _names("_id"),
    _names("uuid guid"),
    _names("key number"),
)
OWN_IDS = IDS[:3]  # what names a conversation, never one of its messages

QUESTIONS: Tiers = (
    _names(
        "question prompt instruction query question_text question_body request inquiry customer_message"
        " customer_question user_message user_question user_input human_input"
    ),
    _names("body input description"),
    _names("text content message"),
    _names("user human"),
)
SUBJECTS = _names("subject title headline")
BODIES = _names("body description text content message")
INPUTS = _names("input context")  # what an instruction is about
REPLIES: Tiers = (
    _names(
        "reply answer response output completion answer_text answer_body accepted_answer agent_reply agent_response"
        " agent_message agent_answer support_reply assistant_response best_answer bot_response model_response"
    ),
    _names("target solution resolution"),
    _names("assistant gpt"),
)
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "created": _names(
        "created created_at created_on creation_date created_date date_created created_time opened_at submitted_at"
        " asked_at timestamp datetime date time sent_at posted_at ts"
    ),
    "language": _names("language lang locale language_code lang_code"),
    "product": _names("product product_name product_id"),
    "requester": _names(
        "requester requester_id customer_id customer client_id client reporter requester_name requester_email"
        " customer_name customer_email contact_id user_id user username user_name author_id author asker"
    ),
    "agent": _names(
        "agent agent_id agent_name responder assignee assignee_id assignee_name answered_by support_agent operator"
        " representative"
    ),
}
OF_EACH_MESSAGE = frozenset(
    _names("user_id user username user_name author_id author")
)  # whose the message is, not who asked

TURNS = _names(
    "messages conversation conversations turns thread dialog dialogue history comments chat posts transcript"
)
TEXTS: Tiers = (
    _names("content text body message value utterance"),
    _names("plain_body plain_text body_text message_text msg comment post html_body"),
)
TIMES = _names("time timestamp created_at created sent_at posted_at date datetime ts created_on")
ACCEPTED = _names("is_accepted is_solution solution best_answer is_best_answer is_answer accepted_answer")

ROLE_KEYS = _names(
    "role from author_type author_role sender_type sender_role user_type speaker_role from_role direction"
    " speaker sender author participant side party type who"
)
AGENT_FLAGS = _names("is_agent from_agent by_agent is_staff is_support from_support outbound outgoing")
ASKING_FLAGS = _names(
    "from_customer is_customer by_customer is_user from_user is_requester inbound is_inbound incoming"
)
NAME_KEYS = _names(
    "nick name author_name sender_name speaker_name from_name username user_name author sender speaker"
    " author_id sender_id user_id from user"
)
HIDDEN_IF_TRUE = _names("internal is_internal private is_private is_note internal_note")
HIDDEN_IF_FALSE = _names("public is_public")

ASKING = _names(
    "end_user visitor contact lead member caller prompter questioner asker inbound incoming received"
)
ANSWERING = _names(
    "helper ai model chatbot admin representative rep advisor technician expert answerer supporter outbound outgoing"
    " sent"
)
ASIDE = _names("system note internal tool function developer event notification")
YES = _names("true 1 yes")
NO = _names("false 0 no")

SOLVED = _names("solved closed resolved done complete completed fixed accepted answered finished")
UNSOLVED = _names("open opened new pending unsolved unresolved unanswered hold on-hold waiting reopened")
