import os
import signal
import sys
from pathlib import Path
from types import FunctionType

import pytest

from initlab.errors import InitlabError
from initlab.inits.gpt2 import gpt2
from initlab.plugins.registry import Registry, error_line, importing
from tests.installing import FRUIT, FRUIT_MODULE, install, install_fruit


@pytest.fixture
def fruit() -> Registry[int]:
    registry: Registry[int] = Registry("fruit")
    registry.add("pear", 1, aliases=("conference", "abate"))
    registry.add("apple", 2)
    return registry


def test_entries_are_found_by_name_and_alias(fruit: Registry[int]) -> None:
    assert fruit.get("pear") == fruit.get("conference") == fruit.get("abate") == 1
    assert fruit.canonical("abate") == "pear"
    assert fruit.canonical("apple") == "apple"
    assert fruit.aliases("pear") == ("abate", "conference")
    assert fruit.aliases("apple") == ()


def test_items_keep_the_order_of_registration_and_are_a_copy(fruit: Registry[int]) -> None:
    items = fruit.items()
    assert items == [("pear", 1), ("apple", 2)]
    items.clear()
    assert len(fruit.items()) == 2


def test_decorator_registers_and_returns_the_entry() -> None:
    registry: Registry[type] = Registry("class")

    @registry.register("this", aliases=("that",))
    class This:
        pass

    assert registry.get("this") is registry.get("that") is This


@pytest.mark.parametrize(
    ("name", "aliases", "taken"),
    [
        ("pear", (), "pear"),
        ("abate", (), "abate"),
        ("plum", ("apple",), "apple"),
        ("plum", ("new", "conference"), "conference"),
    ],
)
def test_a_taken_name_or_alias_is_an_error_and_changes_nothing(
    fruit: Registry[int], name: str, aliases: tuple[str, ...], taken: str
) -> None:
    with pytest.raises(InitlabError, match=f"fruit '{taken}' is registered twice"):
        fruit.add(name, 3, aliases=aliases)
    assert fruit.items() == [("pear", 1), ("apple", 2)]
    with pytest.raises(InitlabError, match="unknown fruit 'plum'"):
        fruit.get("plum")


def test_unknown_name_says_the_nearest_one_aliases_included(fruit: Registry[int]) -> None:
    with pytest.raises(InitlabError, match=r"^unknown fruit 'aple'; did you mean 'apple'\?$"):
        fruit.get("aple")
    with pytest.raises(InitlabError, match="did you mean 'conference'"):
        fruit.canonical("conferense")


def test_unknown_name_without_a_near_one_lists_what_is_legal(fruit: Registry[int]) -> None:
    with pytest.raises(InitlabError, match=r"unknown fruit 'x'; legal are: abate, apple, conference, pear$"):
        fruit.get("x")


def test_temporary_entry_is_gone_afterwards_even_after_an_error(fruit: Registry[int]) -> None:
    with fruit.temporarily("plum", 3):
        assert fruit.get("plum") == 3
    with pytest.raises(KeyError), fruit.temporarily("plum", 3):
        raise KeyError
    assert fruit.items() == [("pear", 1), ("apple", 2)]


def test_temporary_entry_may_not_hide_another(fruit: Registry[int]) -> None:
    with pytest.raises(InitlabError, match="registered twice"), fruit.temporarily("abate", 3):
        pass
    assert fruit.get("abate") == 1


def test_a_reserved_name_is_nobodys() -> None:
    registry: Registry[int] = Registry("fruit", reserved=frozenset({"loss"}))
    for name, aliases in (("loss", ()), ("fig", ("loss",))):
        with pytest.raises(InitlabError, match="fruit 'loss' has a name that initlab needs for itself"):
            registry.add(name, 1, aliases=aliases)
    assert registry.items() == []


def test_isolated_undoes_additions_and_keeps_what_was_there(fruit: Registry[int]) -> None:
    with fruit.isolated():
        fruit.add("plum", 3, aliases=("damson",))
        fruit.broken["fig"] = "rotten"
    assert fruit.items() == [("pear", 1), ("apple", 2)]
    assert fruit.broken == {}
    with pytest.raises(InitlabError, match="unknown"):
        fruit.get("damson")


def names() -> list[str]:
    return [name for name, _ in FRUIT.items()]


def test_a_plug_in_is_imported_when_its_name_is_asked_for_and_not_before(plugin_site: Path) -> None:
    modules = {name: FRUIT_MODULE.format(name=name, value=value) for name, value in (("fig", 1), ("kiwi", 2))}
    install_fruit(plugin_site, "orchard", modules, {"fig": "fig", "kiwi": "kiwi"})
    with pytest.raises(InitlabError, match="did you mean 'kiwi'"):
        FRUIT.get("kiwis")
    assert not {"fig", "kiwi"} & set(sys.modules)
    assert FRUIT.get("fig")() == 1
    assert "kiwi" not in sys.modules
    assert names() == ["fig", "kiwi"]
    assert FRUIT.broken == {}


def test_an_alias_may_have_an_entry_point_too(plugin_site: Path) -> None:
    source = FRUIT_MODULE.format(name="fig", value=1).replace("'fig'", "'fig', aliases=('fico',)")
    install_fruit(plugin_site, "orchard", {"fig": source}, {"fico": "fig", "fig": "fig"})
    assert FRUIT.canonical("fico") == "fig"
    assert names() == ["fig"]
    assert FRUIT.broken == {}


BROKEN = {
    "import rotten_core": "ModuleNotFoundError: No module named 'rotten_core'",
    "def": "SyntaxError: invalid syntax",
    "1 / 0": r"ZeroDivisionError: division by zero \(rotten.py, line 7\)",
    "raise SystemExit(3)": r"SystemExit: 3 \(rotten.py, line 7\)",
    "raise ValueError": r"ValueError \(rotten.py, line 7\)",
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_plug_in_is_named_and_the_others_are_there(line: str, plugin_site: Path) -> None:
    """It had registered itself before it broke; nothing of that may be left."""
    rotten = FRUIT_MODULE.format(name="fig", value=1).rstrip() + f"\n{line}\n"
    install_fruit(plugin_site, "rotten", {"rotten": rotten}, {"fig": "rotten"})
    good = FRUIT_MODULE.format(name="kiwi", value=2)
    install_fruit(plugin_site, "orchard", {"kiwi": good}, {"kiwi": "kiwi"})
    message = f"^plug-in 'rotten' offers the fruit 'fig' and cannot be loaded: {BROKEN[line]}"
    for _ in range(2):
        with pytest.raises(InitlabError, match=message):
            FRUIT.get("fig")
    for _ in range(2):
        assert names() == ["kiwi"]
        assert list(FRUIT.broken) == ["fig"]
    assert FRUIT.get("kiwi")() == 2


def test_what_a_failed_package_had_imported_successfully_stays_usable(plugin_site: Path) -> None:
    good = FRUIT_MODULE.format(name="kiwi", value=2)
    install_fruit(plugin_site, "mixed", {"kiwi": good, "fig": "import kiwi\n1 / 0"}, {"fig": "fig", "kiwi": "kiwi"})
    with pytest.raises(InitlabError, match="ZeroDivisionError"):
        FRUIT.get("fig")
    assert FRUIT.get("kiwi")() == 2


def test_what_a_plug_in_prints_stays_out_of_results(plugin_site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = FRUIT_MODULE.format(name="fig", value=1) + "print('hello')"
    install_fruit(plugin_site, "loud", {"loud": source}, {"fig": "loud"})
    FRUIT.get("fig")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_two_packages_of_one_name_are_both_named_and_neither_is_taken(plugin_site: Path) -> None:
    for package in ("north", "south"):
        install_fruit(plugin_site, package, {package: FRUIT_MODULE.format(name="fig", value=1)}, {"fig": package})
    message = "^fruit 'fig' is offered by two plug-ins, north and south: remove one$"
    with pytest.raises(InitlabError, match=message):
        FRUIT.get("fig")
    assert names() == []
    assert not {"north", "south"} & set(sys.modules)
    assert FRUIT.broken == {"fig": message.strip("^$")}


def test_a_plug_in_may_not_take_the_name_of_a_built_in(plugin_site: Path) -> None:
    FRUIT.add("fig", gpt2)
    install_fruit(plugin_site, "thief", {"thief": FRUIT_MODULE.format(name="fig", value=1)}, {"fig": "thief"})
    assert FRUIT.get("fig") is gpt2
    assert FRUIT.items() == [("fig", gpt2)]
    assert "thief" not in sys.modules
    assert FRUIT.broken["fig"].startswith("plug-in 'thief' offers the fruit 'fig', which is the name of a built-in")


def test_a_plug_in_that_registers_a_taken_name_under_another_entry_point_is_broken(plugin_site: Path) -> None:
    FRUIT.add("fig", gpt2)
    install_fruit(plugin_site, "thief", {"thief": FRUIT_MODULE.format(name="fig", value=1)}, {"kiwi": "thief"})
    with pytest.raises(InitlabError, match=r"registered twice, by initlab\.inits\.gpt2 and by thief$"):
        FRUIT.get("kiwi")
    assert FRUIT.get("fig") is gpt2


def test_a_module_that_registers_nothing_of_that_name_is_broken(plugin_site: Path) -> None:
    install_fruit(plugin_site, "empty", {"empty": "x = 1"}, {"fig": "empty:x"})
    with pytest.raises(InitlabError, match="offers the fruit 'fig', but empty:x registers none of that name"):
        FRUIT.get("fig")


def test_broken_plug_ins_can_be_made_errors(plugin_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_fruit(plugin_site, "rotten", {"rotten": "1 / 0"}, {"fig": "rotten"})
    monkeypatch.setenv("INITLAB_STRICT_PLUGINS", "1")
    for _ in range(2):
        with pytest.raises(InitlabError, match="plug-in 'rotten' offers"):
            FRUIT.items()
    monkeypatch.setenv("INITLAB_STRICT_PLUGINS", "0")
    assert FRUIT.items() == []


def fingerprint(module: str, name: str = "fig") -> str:
    """Return the fingerprint as a process that starts now finds it."""
    for loaded in [key for key in sys.modules if key.partition(".")[0] == module.partition(".")[0]]:
        del sys.modules[loaded]
    with FRUIT.isolated():
        found = FRUIT.fingerprint(name)
    assert found is not None
    return found


def test_a_fingerprint_follows_the_code_of_the_whole_package(plugin_site: Path) -> None:
    modules = {
        "grove/__init__": "",
        "grove/fig": FRUIT_MODULE.format(name="fig", value=1),
        "grove/deep/soil": "ph = 7",
    }
    install_fruit(plugin_site, "orchard", modules, {"fig": "grove.fig"})
    first = fingerprint("grove")
    assert first.startswith("grove ")
    assert fingerprint("grove") == first
    soil = plugin_site / "grove" / "deep" / "soil.py"
    soil.write_text("ph = 5")
    second = fingerprint("grove")
    assert second != first
    soil.rename(soil.with_name("earth.py"))
    assert fingerprint("grove") not in (first, second)
    (plugin_site / "grove" / "notes.txt").write_text("not code")
    soil.with_name("earth.py").rename(soil)
    assert fingerprint("grove") == second


def test_what_is_built_in_has_no_fingerprint_and_what_has_no_file_cannot_have_one(plugin_site: Path) -> None:
    FRUIT.add("fig", gpt2)
    FRUIT.add("kiwi", sum)
    assert FRUIT.fingerprint("fig") is None
    assert FRUIT.is_built_in("fig")
    assert not FRUIT.is_built_in("kiwi")
    with pytest.raises(InitlabError, match="is made of a builtin_function_or_method; wrap it in a function"):
        FRUIT.fingerprint("kiwi")
    homeless = FunctionType(fingerprint.__code__, {})
    homeless.__module__ = "typed by hand"
    FRUIT.add("plum", homeless)
    with pytest.raises(InitlabError, match="fruit 'plum' is not defined in a file"):
        FRUIT.fingerprint("plum")


def test_blame_names_the_plug_in_and_leaves_our_own_bugs_alone() -> None:
    def theirs() -> int:
        return 1

    with (
        pytest.raises(
            InitlabError, match=r"the fruit 'fig' of plug-in tests\.plugins\.test_registry fails: ZeroDivisionError"
        ),
        FRUIT.blame("fig", theirs),
    ):
        _ = 1 // 0
    with pytest.raises(InitlabError, match=r"^as it was said$"), FRUIT.blame("fig", theirs):
        raise InitlabError("as it was said")
    with pytest.raises(ZeroDivisionError), FRUIT.blame("fig", gpt2):
        _ = 1 // 0


def test_an_interrupt_during_an_import_is_no_broken_plug_in() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt), importing("x"):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0), GeneratorExit()])
def test_whatever_a_plug_in_raises_is_its_own(error: BaseException) -> None:
    with pytest.raises(InitlabError, match=rf"^x: {type(error).__name__}"), importing("x"):
        raise error


def test_a_plug_in_does_not_end_the_process() -> None:
    exit_now = os._exit
    with pytest.raises(InitlabError, match=r"^x: it calls os\._exit\(7\)"), importing("x"):
        os._exit(7)
    assert os._exit is exit_now


def test_an_exception_becomes_one_line() -> None:
    assert error_line(InitlabError("two\nlines")) == "two\nlines"
    assert error_line(ValueError("first\nsecond")) == "ValueError: first"
    assert error_line(ValueError()) == "ValueError"


def test_undoing_leaves_what_comes_with_initlab(plugin_site: Path) -> None:
    source = "from tests.plugins.test_registry import LATE\nLATE.add('fig', 1)\n"
    install(plugin_site, "orchard", {}, {"late_built_ins": source})
    for _ in range(2):
        with LATE.isolated():
            LATE.add("kiwi", 2)
        assert LATE.items() == [("fig", 1)]


LATE: Registry[int] = Registry("late fruit", built_ins="late_built_ins")


def test_whether_a_name_can_be_had_imports_nothing(plugin_site: Path) -> None:
    install_fruit(plugin_site, "orchard", {"fig": FRUIT_MODULE.format(name="fig", value=1)}, {"fig": "fig"})
    FRUIT.add("pear", gpt2, aliases=("abate",))
    assert [name in FRUIT for name in ("pear", "abate", "fig", "plum")] == [True, True, True, False]
    assert FRUIT.names() == ["pear", "abate", "fig"]
    assert "fig" not in sys.modules
    assert (FRUIT.is_open, LATE.is_open) == (True, False)
    assert FRUIT.is_ours(gpt2)
    assert not FRUIT.is_ours(FRUIT.get("fig"))
