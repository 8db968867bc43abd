import pytest
from cellblock_worker.settings import Settings, SettingsError
from cellblock_worker.urls import backend_url, broker_url
from pydantic import ValidationError


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({"PATH": "/bin"})
    assert (settings.queue, settings.wall_ms, settings.max_attempts) == ("cellblock", 5000, 3)


def test_reads_each_variable_by_its_field() -> None:
    settings = Settings.from_env({"CELLBLOCK_WALL_MS": "750", "CELLBLOCK_EVENTS": "true"})
    assert (settings.wall_ms, settings.events) == (750, True)


def test_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"CELLBLOCK_WAL_MS; did you mean CELLBLOCK_WALL_MS\?"):
        Settings.from_env({"CELLBLOCK_WAL_MS": "1"})


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
