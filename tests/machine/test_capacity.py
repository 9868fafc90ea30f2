"""How much memory there is."""

from initlab.machine.capacity import computer_bytes, container_number


def test_this_computer_has_some_memory() -> None:
    assert 2**28 < computer_bytes() < 2**50
    limit = container_number("memory.max")
    assert limit is None or computer_bytes() <= limit
    assert container_number("no.such.number") is None
