"""One figure for how good a line sounds, and what was wrong with it: the measurements, their limits, their weights."""

from typing import Final

import msgspec


class QualityMetrics(msgspec.Struct, frozen=True):
    """What was measured over ``ms`` of audio. None: could not be told, for there was nothing to tell it by."""

    ms: float
    snr_db: float | None  # speech against the noise between it, or a tone against what is not it
    thd_percent: float | None  # of a tone, where one was
    clipping_percent: float  # of all samples
    dc_percent: float  # of full scale, signed
    level_dbfs: float | None  # RMS of the speech, pauses left out; or of a steady tone
    peak_dbfs: float | None
    dropouts: int  # holes of exact silence with sound cut off before them
    dropout_percent: float  # of the time

    @property
    def score(self) -> float:
        """100 for nothing to complain of, 0 for a line nobody can use. The sum of what each fault costs."""
        return max(0.0, 100 - sum(costs(self).values()))


class QualityThresholds(msgspec.Struct, frozen=True):
    """What is still good enough. An alert comes when a measurement is beyond its limit."""

    min_snr_db: float = 20
    max_thd_percent: float = 1
    max_clipping_percent: float = 0.1
    min_quality_score: float = 60
    max_dc_percent: float = 3
    min_level_dbfs: float = -45
    max_dropout_percent: float = 1


class Limit(msgspec.Struct, frozen=True):
    """A measurement and the threshold it has to keep."""

    condition: str
    value: float | None
    limit: float
    at_least: bool

    @property
    def broken(self) -> bool:
        if self.value is None:
            return False
        return self.value < self.limit if self.at_least else self.value > self.limit


def limits(found: QualityMetrics, thresholds: QualityThresholds) -> tuple[Limit, ...]:
    """Every condition there is, in the order of ``QualityThresholds``."""
    return (
        Limit("snr", found.snr_db, thresholds.min_snr_db, at_least=True),
        Limit("thd", found.thd_percent, thresholds.max_thd_percent, at_least=False),
        Limit("clipping", found.clipping_percent, thresholds.max_clipping_percent, at_least=False),
        Limit("score", found.score, thresholds.min_quality_score, at_least=True),
        Limit("dc", abs(found.dc_percent), thresholds.max_dc_percent, at_least=False),
        Limit("level", found.level_dbfs, thresholds.min_level_dbfs, at_least=True),
        Limit("dropouts", found.dropout_percent, thresholds.max_dropout_percent, at_least=False),
    )


_FREE_SNR_DB: Final = 30  # nobody hears noise below this
_FREE_LEVEL_DBFS: Final = -35


def costs(found: QualityMetrics) -> dict[str, float]:
    """Points off, by fault. Chosen so that a default threshold just broken costs 10 to 25, and any one fault at its
    worst takes a line below the default score."""
    snr = _FREE_SNR_DB if found.snr_db is None else found.snr_db
    level = _FREE_LEVEL_DBFS if found.level_dbfs is None else found.level_dbfs
    return {
        "snr": min(70.0, 2.5 * max(0.0, _FREE_SNR_DB - snr)),
        "thd": min(50.0, 10 * (found.thd_percent or 0.0)),
        "clipping": min(60.0, 30 * found.clipping_percent**0.5),
        "dc": min(20.0, 4 * abs(found.dc_percent)),
        "level": min(50.0, 2 * max(0.0, _FREE_LEVEL_DBFS - level)),
        "dropouts": min(70.0, 15 * found.dropout_percent**0.75),
    }
