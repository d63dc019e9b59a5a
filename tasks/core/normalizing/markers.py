"""Markers: what a tokenizer or a chat template reads as structure is broken up, so that no turn comes from a log.

It is broken, not cut: a question about it keeps its sense. Normalize a text first, or a zero-width character hides one.
"""

import re

# Special tokens and what templates emit: Llama, Mistral, Gemma, Qwen, Phi, Falcon, Command R, DeepSeek, T5, StarCoder, BERT.
ANGLED = (
    r"s|pad|unk|bos|eos|mask|cls|sep|sop|eop|eod|eot|start_of_\w{1,20}|end_of_\w{1,20}|image|audio|video|"
    r"[a-z]{1,12}(?:_of_[a-z]{1,12})?_token|extra_id_\d{1,4}|unused_?\d{1,4}|reserved_\w{1,20}|fim_\w{1,20}|"
    r"tool_calls?|tool_responses?|tool_results?|tools|think|thinking|function_calls?|im_start|im_end|endoftext"
)
SQUARED = (
    r"INST|inst|SYS|sys|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|PREFIX|SUFFIX|"
    r"MIDDLE|IMG|IMG_BREAK|IMG_END|THINK|PAD|UNK|CLS|SEP|MASK|BOS|EOS|gMASK|sMASK|control_\d{1,4}|BEGIN_OF_\w{1,20}|END_OF_\w{1,20}"
)
CAPITALS = r"TITLE|ABSTRACT|INTRODUCTION|SUMMARY|COMMENT|ANSWER|QUESTION|DOMAIN|PREFIX|SUFFIX|MIDDLE"
HEADED = r"(?:instructions?|response|input|output|system|user|assistant|human|question|answer|context|prompt)"
OPENING = re.compile(
    rf"<(?=[\w/|｜▁])(?=/?(?:{ANGLED})\s?/?>"  # <s> </s> <start_of_turn>
    r"|/?[|｜]|/?[\w▁][\w ▁-]{0,39}[|｜]>)"  # <|im_start|> <｜User｜> <turn|>
    r"|<(?=</?SYS>>)"  # <<SYS>> <</SYS>>
    rf"|\[(?=/?(?-i:{SQUARED})\])"  # [INST] [/INST]
    rf"|>(?=>(?-i:{CAPITALS})<<)",  # >>QUESTION<<
    re.IGNORECASE,
)
HEADING = re.compile(rf"(?<!#)(?<!# )#(?:#| #)* ?(?={HEADED} ?:)", re.IGNORECASE)  # ### Instruction:


def neutralize_markers(text: str) -> str:
    """Break up strings that a prompt or a tokenizer would read as structure."""
    if "<" in text or "[" in text:
        text = OPENING.sub(_loosen, text)
    return HEADING.sub(_without_signs, text) if "#" in text else text


def has_marker(text: str) -> bool:
    """Say whether a text still holds a string that `neutralize_markers` would break up."""
    return neutralize_markers(text) != text


def _loosen(match: re.Match[str]) -> str:
    return f"{match[0]} "


def _without_signs(match: re.Match[str]) -> str:
    """Keep a single sign within a line: `C# output:` is no heading."""
    start = match.start()
    return match[0] if match[0].strip() == "#" and start and match.string[start - 1] != "\n" else ""
