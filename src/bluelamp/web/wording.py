"""Shares as all pages write them: 82%, without a space, a minus that is one, and nothing where nothing is known."""

from __future__ import annotations

_MINUS = "−"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share.

    >>> percent(0.8218), percent(0.8218, 0), percent(-0.1), percent(-0.0001), percent(None)
    ('82.2%', '82%', '−10.0%', '0.0%', '')
    """
    if share is None:
        return ""
    text = f"{abs(100 * share):.{digits}f}"
    return f"{_MINUS if share < 0 and float(text) else ''}{text}%"


def change(share: float | None, digits: int = 1) -> str:
    """Write by how much something is more or less, always with its sign.

    >>> change(0.1234), change(-0.05, 0), change(0.0), change(None)
    ('+12.3%', '−5%', '0.0%', '')
    """
    told = percent(share, digits)
    return f"+{told}" if share is not None and share > 0 and float(told[:-1]) else told


def chance(share: float) -> str:
    """Write a chance as the map does (`frontend/src/wording.ts`): what is possible is never 0%, nor the unsure 100%.

    >>> [chance(each) for each in (0, 0.0004, 0.004, 0.38, 0.997, 1)]
    ['0%', '<0.1%', '0.4%', '38%', '>99%', '100%']
    """
    value = share * 100
    if 0 < value < 0.1:
        return "<0.1%"
    if 0 < value < 1:
        return f"{value:.1f}%"
    return ">99%" if 99.5 < value < 100 else f"{value:.0f}%"
