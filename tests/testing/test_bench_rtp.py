"""The benchmark of RTP packets does the work it times."""

import itertools

import numpy as np

from trunkline.audio import g711
from trunkline.rtp.packet import RtpPacket
from trunkline.rtp.sender import RtpSender
from trunkline.testing import bench_rtp


def test_every_packet_is_heard_and_answered_with_the_frame() -> None:
    t = np.arange(320) / 16000
    frame = np.rint(8000 * np.sin(2 * np.pi * 400 * t)).astype("<i2").tobytes()  # whole periods: the frames join
    leg = bench_rtp.Leg("PCMU", frame)
    sender = RtpSender(7, 0, 8000, sequence=65_500, timestamp=0)
    answers = [RtpPacket.parse(leg.pair(sender.send_audio(bytes(range(160)), 160, 0.0))) for _ in range(100)]
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(answers)} == {1}
    heard = np.frombuffer(g711.decode_mulaw(answers[-1].payload), "<i2")
    assert np.abs(heard).max() > 7000
    received = leg.figures().received
    assert received.lost == received.late == 0
    assert received.played > 95


def test_the_figures_are_told_beside_the_bare_echos() -> None:
    numbers = bench_rtp.run(seconds=0.05)
    assert list(numbers["us_per_pair"]) == ["bare echo", "PCMU", "PCMA"]
    assert all(own > 0 for own in numbers["own_work_us"].values())
    assert len(bench_rtp.lines(numbers)) == 4
