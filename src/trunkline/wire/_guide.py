"""What a platform says about itself, as text for people: a page of the docs, and the answer of a command."""

from collections.abc import Iterable
from typing import Final

from trunkline.wire.base import WireSpec

HEAD: Final = """\
# Phone platforms

What each platform can do, and what to type into its console. Made from each platform's own description; for your own
address, and to see whether its secret is set:

    trunkline doctor --platform NAME

Each of them can be tried without an account: `trunkline demo --platform NAME`, and `trunkline call URL --platform NAME`
against a gateway of yours.

`https://voice.example.org` stands for your gateway's address as the world knows it, which is `TRUNKLINE_PUBLIC_URL`.
TLS is the business of a proxy in front, which passes HTTP and WebSockets on.

| platform | audio, preferred first | tells what was played | drops what was not | keys in | keys out | transfer |
|---|---|---|---|---|---|---|
"""
PLACEHOLDER: Final = "https://voice.example.org"


def page(specs: Iterable[WireSpec]) -> str:
    """The page of all platforms, in Markdown."""
    specs = list(specs)
    rows = "".join(_row(spec) for spec in specs)
    return HEAD + rows + "".join(f"\n## {spec.title}\n\n{setup(spec, PLACEHOLDER)}" for spec in specs)


def setup(spec: WireSpec, base_url: str) -> str:
    """What to type into the platform's console, for a gateway known as ``base_url``."""
    return spec.setup.format(base=base_url).strip() + "\n"


def _row(spec: WireSpec) -> str:
    audio = ", ".join(str(audio) for audio in spec.formats)
    able = (spec.marks, spec.clears, spec.digits_in, spec.digits_out, spec.transfers)
    return (
        f"| [{spec.title}](#{_anchor(spec.title)}) | {audio} | "
        + " | ".join("yes" if a else "no" for a in able)
        + " |\n"
    )


def _anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")
