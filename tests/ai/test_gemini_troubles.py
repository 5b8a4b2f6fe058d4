"""A vendor that has nothing to say."""

from gemini_leg import Tap, on_the_line
from live_leg import quiet
from real_time import in_real_time
from voices import Letters

from trunkline.ai.manners import Manners
from trunkline.ai.standin import Answer
from trunkline.testing.standins import play


@in_real_time
async def test_a_vendor_that_has_nothing_to_say_to_a_turn_keeps_its_connection() -> None:
    game = play(["Hm."], mind=lambda history, tools: Answer(""), voice=Letters(), stt_ms=5, model_ms=60_000, speed=60)
    tap, own = Tap(), {"answer_s": 0.2}
    async with on_the_line(game, tap=tap, own=own, manners=Manners(no_input_s=0)) as leg:
        await leg.until(lambda: tap.sockets == 2)
        await leg.say(quiet(8 * 800))
        # Missed once, asked once more, and left alone after that: the vendor may mean it.
        assert tap.sockets == 2
        assert not leg.failure
