"""The shape of the house: what may import what, and what stays pure."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import permutations
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
HOUSE = SOURCE / "trunkline"

# Pure files import none of these: bytes, events and `now` go in, events and bytes come out.
IMPURE = {"asyncio", "socket", "ssl", "time", "os", "random", "secrets", "logging", "structlog", "threading", "uvloop"}
IMPURE |= {"subprocess", "httpx", "picows", "websockets", "tempfile", "uuid"}
PURE = ["audio", "rtp", "wire", "errors.py", "ai/events.py", "ai/base.py", "ai/sentences.py", "ai/intents.py"]
# In the room of calls only the shells of asyncio may be impure.
SHELLS_OF_CALLS = {"runner.py", "gateway.py", "answered.py", "audio_queue.py"}

# Who may import whom. A room may always import itself and `errors`.
ALLOWED = {
    "errors": set(),
    "audio": set(),
    "rtp": set(),
    "wire": {"audio", "rtp"},
    "fragments": set(),
    "ai": {"audio", "registry", "logs", "fragments"},
    "call": {"audio", "wire", "ai"},
    "store": {"call"},
    "registry": set(),
    "config": {"ai", "call", "wire", "registry"},
    "logs": set(),
    "agent": {"ai", "server", "config"},
    "server": {"audio", "rtp", "wire", "ai", "call", "store", "config", "logs", "registry", "fragments"},
    "testing": {"audio", "wire", "ai", "call", "rtp", "store", "server", "config", "registry"},
}


def modules(place: Path) -> Iterator[Path]:
    return iter([place] if place.is_file() else sorted(place.rglob("*.py")))


def imports(path: Path) -> set[str]:
    """Every name the file imports, with its module's: inside functions and for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def module_name(path: Path) -> str:
    """``trunkline.audio.level`` of a file, ``trunkline.audio`` of a room's ``__init__``."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


# The compiled ones have a ``.pyi``.
MODULES = {module_name(path): path for path in [*HOUSE.rglob("*.py"), *HOUSE.rglob("*.pyi")]}


def our_modules(path: Path) -> Iterator[str]:
    """Those of ours the file imports, or imports a name of."""
    for name in imports(path):
        if name in MODULES:
            yield name
        elif (module := name.rpartition(".")[0]) in MODULES:
            yield module


def our_rooms(path: Path) -> set[str]:
    return {parts[1] for name in imports(path) if len(parts := name.split(".")) > 1 and parts[0] == "trunkline"}


def pure_files() -> Iterator[Path]:
    for place in PURE:
        yield from modules(HOUSE / place)
    yield from (path for path in modules(HOUSE / "call") if path.name not in SHELLS_OF_CALLS)


@pytest.mark.parametrize("path", list(pure_files()), ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_pure_file_touches_no_clock_socket_environment_log_or_dice(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & IMPURE


@pytest.mark.parametrize("room", list(ALLOWED))
def test_imports_point_one_way(room: str) -> None:
    place = HOUSE / room if (HOUSE / room).is_dir() else HOUSE / f"{room}.py"
    for path in modules(place):
        strangers = our_rooms(path) - ALLOWED[room] - {room, "errors"}
        assert not strangers, f"{path.relative_to(HOUSE)} imports {strangers}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Nor inside a function, nor for type checkers only: what two files share stands in a third, below both."""
    circle: list[str] = []
    try:
        TopologicalSorter({name: set(our_modules(path)) for name, path in MODULES.items()}).prepare()
    except CycleError as found:
        circle = found.args[1]
    assert not circle, "\nimports ".join(reversed(circle))


def families(room: str) -> list[str]:
    """The variants of a room: ``twilio`` is twilio.py and whatever of it begins with ``_twilio``."""
    names = [path.stem for path in (HOUSE / room).glob("*.py")]
    return [name for name in names if not name.startswith("_") and name not in {"base", "events", "tickets"}]


@pytest.mark.parametrize(("one", "other"), list(permutations(families("wire"), 2)) or [("twilio", "nobody")])
def test_two_platforms_never_import_each_other(one: str, other: str) -> None:
    for path in (HOUSE / "wire").glob("*.py"):
        if path.stem.lstrip("_").startswith(one):
            assert not [name for name in imports(path) if f".wire.{other}" in name or f".wire._{other}" in name]


# Variants that are called by a plain word, and those on this machine that are taken where nobody is named.
NO_VENDORS = {"compatible", "echo", "energy", "local", "open", "rtp"} | {"espeak", "receptionist", "silero", "webrtc"}
VENDORS = [name for name in (*families("wire"), *families("ai/providers")) if name not in NO_VENDORS]


class WithoutProse(ast.NodeTransformer):
    """Leaves the code: docstrings are for people, as comments are."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node


@pytest.mark.parametrize("room", [room for room in ALLOWED if room != "testing"])
def test_no_other_file_knows_a_vendors_name(room: str) -> None:
    """But for providers, whose addresses and advice name others, and the page about them, which shows examples."""
    place = HOUSE / room if (HOUSE / room).is_dir() else HOUSE / f"{room}.py"
    for path in modules(place):
        if path.parent.name == "providers" or path.name == "guide.py":
            continue
        code = ast.unparse(WithoutProse().visit(ast.parse(path.read_text()))).casefold()
        own = path.stem.lstrip("_").split("_")[0] if room == "wire" else ""
        known = [vendor for vendor in VENDORS if vendor in code and vendor != own]
        assert not known, f"{path.relative_to(HOUSE)} names {', '.join(known)}"


def test_nothing_in_production_imports_testing_except_commands_that_simulate() -> None:
    for room in ALLOWED.keys() - {"testing"}:
        place = HOUSE / room if (HOUSE / room).is_dir() else HOUSE / f"{room}.py"
        assert not [path for path in modules(place) if "testing" in our_rooms(path)]


def test_only_config_reads_the_environment() -> None:
    readers = [path for path in modules(HOUSE) if path.name != "config.py" and "cli" not in path.parts]
    assert not [path for path in readers if {"os.environ", "os.getenv"} & imports(path)]
    assert not [path for path in readers if "os.environ" in path.read_text() or "getenv(" in path.read_text()]


def test_only_compose_and_the_commands_look_variants_up() -> None:
    users = {path.relative_to(HOUSE).parts[0] for path in modules(HOUSE) if "registry" in our_rooms(path)}
    assert users <= {"server", "cli", "config.py", "testing", "ai"}


def test_no_two_files_of_tests_have_one_name() -> None:
    """They are modules without a package: neither pytest nor mypy would start."""
    names = [path.name for path in modules(Path(__file__).parent)]
    assert sorted(set(names)) == sorted(names)


LEAVES = [
    "trunkline.audio.g711",
    "trunkline.audio.stream_converter",
    "trunkline.audio.resample",
    "trunkline.rtp.packet",
    "trunkline.errors",
]


@pytest.mark.parametrize("leaf", LEAVES)
def test_using_one_leaf_loads_fewer_than_ten_of_our_modules(leaf: str) -> None:
    script = f"import sys, {leaf}; print(sum(name.startswith('trunkline') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=SOURCE)
    assert int(done.stdout) < 10
