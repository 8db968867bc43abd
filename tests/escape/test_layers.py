"""docs/layers.md names every attack; `python -m tests.escape.layers` writes it anew."""

from tests.escape.layers import ALL, FILE, named


def test_the_table_of_layers_names_every_attack() -> None:
    parts = FILE.read_text().split("\n## ")[1:]
    assert {part.split("\n")[0]: named(part) for part in parts} == {
        language: set(attacks) for language, attacks in ALL.items()
    }


def test_there_are_enough_of_them() -> None:
    assert sum(len(attacks) for attacks in ALL.values()) >= 150
