"""What a run is: everything that its weights depend on, beside the pictures and the teacher."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.errors import TrainingError


@dataclass(frozen=True)
class Settings:
    """A batch is ``fresh`` new pictures and ``replayed`` earlier ones, per worker.

    Rounds of ``round_steps`` steps take turns through ``sizes``, the side of their pictures in
    pixels; at the end of each, the workers average what they know. ``window`` rounds of a size are
    kept to draw the earlier pictures from. With ``cooldown_steps`` the rate falls to 0 over so many
    steps, beginning at ``cooldown_from``.
    """

    seed: int = 0
    workers: int = 1
    sizes: tuple[int, ...] = (160, 160, 224)
    batch_pixels: int = 8 * 160 * 160
    fresh_share: float = 0.25
    round_steps: int = 16
    window: int = 16
    rate: float = 0.02
    other_rate: float = 0.2
    warmup_steps: int = 200
    hint: float = 0.5
    hint_steps: int = 4000
    average: float = 0.998
    cooldown_from: int = 0
    cooldown_steps: int = 0

    def rate_at(self, step: int) -> float:
        """Step length: a short rise, then constant, then the fall of a cool-down."""
        rate = self.rate * min(1.0, (step + 1) / self.warmup_steps)
        if self.cooldown_steps:
            rate *= max(0.0, 1 - (step - self.cooldown_from + 1) / self.cooldown_steps)
        return rate

    def hint_at(self, step: int) -> float:
        """Weight of the hint: falls to 0 in a straight line."""
        return self.hint * max(0.0, 1 - step / self.hint_steps)

    def batch(self, size: int) -> tuple[int, int]:
        """How many fresh and replayed pictures of a size make a batch."""
        whole = max(2, round(self.batch_pixels / size**2))
        fresh = max(1, round(whole * self.fresh_share))
        return fresh, whole - fresh

    def cooled(self, step: int, steps: int) -> Settings:
        """The same run, cooling down from a step on; what is averaged gets as short."""
        average = min(self.average, 1 - 10 / max(steps, 20))
        return replace(self, cooldown_from=step, cooldown_steps=steps, average=average)

    def steady(self) -> Settings:
        """The same run at a constant rate again."""
        return replace(self, cooldown_from=0, cooldown_steps=0, average=Settings.average)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str, source: Path) -> Settings:
        """What ``to_json`` wrote; ``source`` is named in errors."""
        try:
            values = json.loads(text)
            return Settings(**{**values, "sizes": tuple(values["sizes"])})
        except (ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{source}: settings of another version: {error}") from None
