"""Values as plain data."""

import math
from typing import Any


def plain_data(value: Any) -> Any:
    """A value as JSON takes it: NaN and infinity become None, what is no data its text."""
    if isinstance(value, dict):
        return {str(k): plain_data(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)
