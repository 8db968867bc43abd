from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer.contract import OUTPUT_RULES, OutputRules
from cellblock_worker.settings import Settings, SettingsError
from cellblock_worker.urls import backend_url, broker_url
from pydantic import ValidationError


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({"PATH": "/bin"})
    assert (settings.queue, settings.wall_ms, settings.max_attempts) == ("cellblock", 5000, 3)


def test_reads_each_variable_by_its_field() -> None:
    settings = Settings.from_env({"CELLBLOCK_WALL_MS": "750", "CELLBLOCK_EVENTS": "full"})
    assert (settings.wall_ms, settings.events) == (750, "full")


def test_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"CELLBLOCK_WAL_MS; did you mean CELLBLOCK_WALL_MS\?"):
        Settings.from_env({"CELLBLOCK_WAL_MS": "1"})


def test_an_unknown_variable_like_none_has_no_far_fetched_suggestion() -> None:
    with pytest.raises(SettingsError, match=r"CELLBLOCK_XYZ; docs/settings\.md"):
        Settings.from_env({"CELLBLOCK_XYZ": "1"})


def test_invalid_value_names_the_variable_and_does_not_quote_it() -> None:
    with pytest.raises(SettingsError, match="CELLBLOCK_REDIS_URL") as caught:
        Settings.from_env({"CELLBLOCK_REDIS_URL": "http://:hunter2@host"})
    assert "hunter2" not in str(caught.value)


def test_settings_are_frozen_and_do_not_show_the_password() -> None:
    settings = Settings(redis_url="redis://:hunter2@host")
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.wall_ms = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "broker", "backend"),
    [
        ("redis://u:p@h:1/2", "cellblock-redis://u:p@h:1/2", "redis://u:p@h:1/2"),
        (
            "rediss://h/0",
            "cellblock-redis://h/0?ssl_cert_reqs=required",
            "rediss://h/0?ssl_cert_reqs=required",
        ),
        (
            "unix:///run/R.sock?db=3",
            "cellblock-redis+socket:///run/R.sock?virtual_host=3",
            "redis+socket:///run/R.sock?virtual_host=3",
        ),
    ],
)
def test_url_in_celerys_spelling(given: str, broker: str, backend: str) -> None:
    assert (broker_url(given), backend_url(given)) == (broker, backend)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(ValueError, match="amqp"):
        backend_url("amqp://host")


def test_layers_come_with_commas_between() -> None:
    settings = Settings.from_env({"CELLBLOCK_REQUIRE_LAYERS": "private root, pid namespace"})
    assert settings.require_layers == ("private root", "pid namespace")


def test_runtimes_are_json_and_get_their_language_by_name() -> None:
    given = '{"python3": {}, "data": {"language": "python3", "packages": "/opt/data", "preload": ["numpy"]}}'
    runtimes = Settings.from_env({"CELLBLOCK_RUNTIMES": given}).runtimes
    assert {name: runtime.language.value for name, runtime in runtimes.items()} == {
        "python3": "python3",
        "data": "python3",
    }
    assert (str(runtimes["data"].packages), runtimes["data"].preload) == ("/opt/data", ("numpy",))


def test_runtimes_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "runtimes.json").write_text('{"nodejs": {"interpreter": "/usr/bin/node"}}')
    settings = Settings.from_env({"CELLBLOCK_RUNTIMES": f"@{tmp_path}/runtimes.json"})
    assert str(settings.runtimes["nodejs"].interpreter) == "/usr/bin/node"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{}", "an object of runtimes"),
        ("[]", "an object of runtimes"),
        ("{", "CELLBLOCK_RUNTIMES"),
        ('{"data": {}}', "runtime data: say its language"),
        ('{"python3": {"language": "nodejs"}}', "runtime python3 is the default of its language"),
        ('{"python3": {"interpreter": "/usr/bin/python3"}}', "worker's own interpreter"),
        ('{"python3": {"package": "/opt"}}', "Extra inputs are not permitted"),
        ('{"python3": 1}', "an object is wanted"),
        ("@/nowhere.json", "CELLBLOCK_RUNTIMES"),
    ],
)
def test_runtimes_that_do_not_fit_are_refused(given: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Settings.from_env({"CELLBLOCK_RUNTIMES": given})


def test_output_rules_are_a_preset_by_name() -> None:
    assert Settings.from_env({}).rules == OutputRules()
    assert Settings.from_env({"CELLBLOCK_OUTPUT_RULES": "dify"}).rules == OUTPUT_RULES["dify"]


@pytest.mark.parametrize(
    "limit",
    [
        "string_length",
        "number_max",
        "number_decimals",
        "depth",
        "string_array_length",
        "number_array_length",
        "boolean_array_length",
        "object_array_length",
    ],
)
@pytest.mark.parametrize("preset", OUTPUT_RULES)
def test_each_limit_of_outputs_may_differ_from_the_preset(preset: str, limit: str) -> None:
    given = {"CELLBLOCK_OUTPUT_RULES": preset, f"CELLBLOCK_OUTPUT_{limit.upper()}": "7"}
    changed: dict[str, Any] = {limit: 7}
    assert Settings.from_env(given).rules == replace(OUTPUT_RULES[preset], **changed)


@pytest.mark.parametrize(("given", "kept"), [("keep", True), ("refuse", False)])
def test_outputs_that_are_not_declared_are_kept_or_refused(given: str, kept: bool) -> None:
    settings = Settings.from_env({"CELLBLOCK_OUTPUT_RULES": "dify", "CELLBLOCK_OUTPUT_UNDECLARED": given})
    assert settings.rules == replace(OUTPUT_RULES["dify"], allow_undeclared=kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RULES", "strict"),
        ("UNDECLARED", "drop"),
        ("STRING_LENGTH", "-1"),
        ("DEPTH", "0"),
        ("NUMBER_MAX", "1.5"),
    ],
)
def test_output_settings_that_do_not_fit_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CELLBLOCK_OUTPUT_{name}: "):
        Settings.from_env({f"CELLBLOCK_OUTPUT_{name}": value})
