"""The page about providers of AI."""

from pathlib import Path

import pytest

from trunkline import registry
from trunkline.ai.guide import known, page

PAGE = Path(__file__).parent.parent / "docs" / "providers.md"
PROVIDERS = {name: registry.load("ai.providers", name) for name in registry.names("ai.providers")}


def test_the_page_is_what_the_providers_say_of_themselves() -> None:
    assert PAGE.read_text() == page(PROVIDERS.values()), (
        "make it anew: trunkline doctor --provider all > docs/providers.md"
    )


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_says_what_it_is(name: str) -> None:
    one = known(PROVIDERS[name])
    assert one.spec.name == name
    assert one.roles, "it can be something"
    assert one.spec.about.strip()
    if one.spec.key:
        assert one.spec.key_from.startswith("https://")
        assert one.spec.offline
        assert one.stands_in, "what needs a key can be tried without one"
        assert not getattr(one.spec.settings(), one.spec.key)
