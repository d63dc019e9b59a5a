"""Row choice: what a training that goes on from a version is trained on, all that is new to it and some that it knows."""

from tasks.core.errors import ModelError
from tasks.core.fitting.learned import keys_of, load_learned
from tasks.core.fitting.replay import choose
from tasks.core.fitting.watching import watched_rows
from tasks.core.receipts import ChosenRows, Parent, TokenRows
from tasks.core.report.wording import counted, start_words
from tasks.core.store.artifacts import Draft
from tasks.core.store.digests import digest_file
from tasks.core.tokens.storing import HELD_OUT, TRAIN, pick_token_rows, row_groups, row_ids
from tasks.lid import step


@step("row_choice", ChosenRows, libraries=("numpy", "pyarrow"))
def choose_rows(
    draft: Draft, rows: TokenRows, parent: Parent, replay: float, validation: float, seed: int
) -> ChosenRows:
    """Choose from the training rows by what the parent has learned.

    A parent that has learned a row which is held out today is unfit, since its figures would be those of one who has seen the
    answers; and so is one to which no row is new, or so few rows that the share `validation` cannot be watched. Rows are known by
    their ids: of nearly equal ones it is not asked.
    """
    if parent.adapter is None:
        raise ModelError("There is no adapter to go on with.", cure="Set training.start=base.")
    data, learned = rows.folder(draft.workspace), load_learned(parent.adapter.folder(draft.workspace))
    keys, held_out = (keys_of(row_ids(data / name)) for name in (TRAIN, HELD_OUT))

    chosen = choose(keys, learned, replay, f"{parent.adapter.adapter_digest}/{seed}")
    count = pick_token_rows(data / TRAIN, chosen.rows.tolist(), draft.folder / TRAIN)

    seen = len(set(held_out.tolist()) & set(learned.tolist()))
    watched = watched_rows(row_groups(draft.folder / TRAIN), validation, seed)
    unfit = ""
    if seen:
        unfit = f"version {parent.version} was trained on {counted(seen, 'row')} that today's split holds out"
    elif not chosen.new:
        unfit = f"no training row is new to version {parent.version}"
    elif validation and (watched.all() or not watched.any()):
        which = "all" if watched.all() else "none"
        unfit = (
            f"training.validation would watch {which} of the {counted(count, 'row')} that it would go on with"
        )
    counts = {"train": count, "new": chosen.new, "replayed": chosen.replayed, "left_out": chosen.left_out}
    return draft.seal(
        ChosenRows,
        counts=counts,
        digest=digest_file(draft.folder / TRAIN),
        version=parent.version,
        reason=f"{unfit[0].upper()}{unfit[1:]}."
        if unfit
        else f"The training goes on {start_words(parent.version, counts)}.",
        unfit=unfit,
    )
