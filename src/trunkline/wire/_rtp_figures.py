"""How a call over RTP fares, in figures: for its page in the API, and for tests."""

import msgspec

from trunkline.audio.jitter import JitterBuffer
from trunkline.rtp.reception import Reception
from trunkline.rtp.reporting import PeerView
from trunkline.rtp.sender import RtpSender
from trunkline.wire._rtp_messages import RATE


class Ignored(msgspec.Struct):
    """Datagrams from the peer that could not be used, by what they were."""

    stun: int = 0
    dtls: int = 0
    unknown: int = 0
    malformed: int = 0
    malformed_rtcp: int = 0
    jumped: int = 0  # of a source, or with a number, that had not proven itself
    other_payload_types: int = 0


class Received(msgspec.Struct, frozen=True):
    """What came from the peer. Packets, but where a unit stands."""

    ssrc: int | None
    packets: int
    played: int
    lost: int  # never came
    late: int  # came when their time was over
    duplicates: int
    dropped: int  # the buffer was full
    without_audio: int  # comfort noise, keys
    restarts: int  # another source, or the same anew
    jitter_ms: float  # as RTCP reports it
    delay_ms: float  # how long the buffer holds packets
    concealed_ms: float
    silence_ms: float  # the peer sent nothing, and lost nothing


class Sent(msgspec.Struct, frozen=True):
    """What we sent, and what the peer's reports say came of it (None before the first)."""

    ssrc: int
    packets: int
    octets: int  # of payload
    lost: int | None
    lost_share: float | None  # 0–1, of the last interval
    jitter_ms: float | None
    round_trip_ms: float | None


class Figures(msgspec.Struct, frozen=True):
    """Both directions of one call."""

    received: Received
    sent: Sent
    ignored: Ignored


def figures(
    reception: Reception, buffer: JitterBuffer, sender: RtpSender, peer: PeerView | None, ignored: Ignored
) -> Figures:
    """The figures as they stand."""
    stats = buffer.stats
    round_trip_s = peer.round_trip_s if peer else None
    return Figures(
        Received(
            ssrc=reception.ssrc,
            packets=stats.received,
            played=stats.played,
            lost=stats.lost,
            late=stats.late,
            duplicates=stats.duplicates,
            dropped=stats.dropped,
            without_audio=stats.empty,
            restarts=stats.restarts,
            jitter_ms=round(reception.jitter.ms, 3),
            delay_ms=buffer.target_ms,
            concealed_ms=_ms(stats.lost_samples),
            silence_ms=_ms(stats.silence_samples),
        ),
        Sent(
            ssrc=sender.ssrc,
            packets=sender.packets,
            octets=sender.octets,
            lost=peer.lost if peer else None,
            lost_share=peer.fraction_lost if peer else None,
            jitter_ms=_ms(peer.jitter) if peer else None,
            round_trip_ms=None if round_trip_s is None else round(1000 * round_trip_s, 3),
        ),
        msgspec.structs.replace(ignored),
    )


def _ms(samples: int) -> float:
    return 1000 * samples / RATE
