import pytest

from initlab.errors import InitlabError
from initlab.registry import Registry


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
