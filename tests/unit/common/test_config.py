import secrets

import pytest

from common.config import Networks, Secret, Settings, load_settings


class Sample(Settings):
    port: int = 8001
    token: Secret


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    token = secrets.token_urlsafe()
    monkeypatch.setenv("PARLEY_TOKEN", token)
    return token


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("PARLEY_PORT", "9000")

    settings = load_settings(Sample)

    assert (settings.host, settings.port, settings.token.get_secret_value()) == ("127.0.0.1", 9000, token)


def test_a_secret_is_not_shown(token: str) -> None:
    settings = load_settings(Sample)

    assert token not in f"{settings!r} {settings}"


@pytest.mark.parametrize("value", [None, "", "short", "changeme-changeme", "ReplaceThisPlease", "your-secret"[5:] * 3])
def test_a_secret_that_is_missing_short_or_a_placeholder_is_one_line_and_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("PARLEY_TOKEN", value)

    with pytest.raises(SystemExit) as ended:
        load_settings(Sample)

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Wrong settings: PARLEY_TOKEN: ")
    assert not value or value not in line


def test_all_faults_stand_in_the_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PARLEY_PORT", "eighty")

    with pytest.raises(SystemExit):
        load_settings(Sample)

    (line,) = capsys.readouterr().err.splitlines()
    assert "PARLEY_PORT" in line
    assert "PARLEY_TOKEN" in line


class Behind(Settings):
    port: int = 8001
    trusted_proxies: Networks = ""


@pytest.mark.parametrize("networks", ["", "192.0.2.1", "10.0.0.0/8, 2001:db8::/32", "fc00::/7,::1"])
def test_networks_are_kept_as_they_are(monkeypatch: pytest.MonkeyPatch, networks: str) -> None:
    monkeypatch.setenv("PARLEY_TRUSTED_PROXIES", networks)

    assert load_settings(Behind).trusted_proxies == networks


@pytest.mark.parametrize(
    "networks", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/33", "192.0.2.1,", "192.0.2.1 10.0.0.0/8"]
)
def test_a_network_that_is_none_is_one_line_and_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], networks: str
) -> None:
    monkeypatch.setenv("PARLEY_TRUSTED_PROXIES", networks)

    with pytest.raises(SystemExit):
        load_settings(Behind)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Wrong settings: PARLEY_TRUSTED_PROXIES: ")
