"""Posting: whether an entry stays a draft for a bookkeeper or is final at once."""

from tallybook.accounting.entry import PostingState
from tallybook.accounting.errors import EntrySettingInvalid
from tallybook.bookkeeping.rules import Rules


def posting_state(rules: Rules) -> PostingState:
    """Decide the state an entry is left in: the setting's, never a more final one.

    Raises:
        EntrySettingInvalid: drafts are asked for, but the accounting system keeps none.
    Source: docs/decisions.md 23; Pleo guide "Posting behaviour".
    """
    if rules.posting is PostingState.DRAFT and not rules.drafts_supported:
        raise EntrySettingInvalid(
            'The accounting system keeps no drafts; set books.posting = "posted" in the settings of Tallybook.'
        )
    return rules.posting
