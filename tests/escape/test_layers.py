"""docs/layers.md names every attack; `python -m tests.escape.layers` writes it anew."""

from tests.escape.layers import FILE, TABLES, rows


def test_the_table_of_layers_names_every_attack() -> None:
    tables = FILE.read_text().split("\n## ")[1:]
    assert {table.split("\n")[0]: rows(table)[1:] for table in tables} == {
        language: list(attacks) for language, attacks in TABLES.items()
    }


def test_there_are_enough_of_them() -> None:
    assert sum(len(attacks) for attacks in TABLES.values()) >= 150
