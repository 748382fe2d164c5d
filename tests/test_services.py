"""Where audio goes: endpoints, credentials, options."""

from __future__ import annotations

import copy
import pickle
from urllib.parse import parse_qs, urlsplit

import pytest

import nbstream as nb
from nbstream import services
from nbstream.errors import AuthError, ParameterError


@pytest.mark.parametrize(
    ("arguments", "base"),
    [
        ({}, "wss://streaming.assemblyai.com/v3/ws"),
        ({"region": "us"}, "wss://streaming.us.assemblyai.com/v3/ws"),
        ({"region": "eu"}, "wss://streaming.eu.assemblyai.com/v3/ws"),
        ({"endpoint": "ws://127.0.0.1:8900"}, "ws://127.0.0.1:8900/v3/ws"),
        ({"endpoint": "ws://127.0.0.1:8900/"}, "ws://127.0.0.1:8900/v3/ws"),
        ({"endpoint": "wss://host/v3/ws"}, "wss://host/v3/ws"),
        ({"endpoint": "wss://host/proxy/8900"}, "wss://host/proxy/8900/v3/ws"),
    ],
)
def test_each_zone_and_endpoint_has_its_address(arguments: dict, base: str) -> None:
    """Default, US, EU, and any other WebSocket address."""
    assert nb.AssemblyAI(api_key="k", **arguments).url().split("?")[0] == base


def test_the_address_carries_model_format_and_options_but_no_key() -> None:
    """The query has what was asked for; the key is in the header alone."""
    service = nb.AssemblyAI(api_key="canary", min_turn_silence=400, extra={"new": "1"})
    query = {name: values[0] for name, values in parse_qs(urlsplit(service.url()).query).items()}
    assert query == {
        "speech_model": "u3-rt-pro",
        "sample_rate": "16000",
        "encoding": "pcm_s16le",
        "inactivity_timeout": "30",
        "min_turn_silence": "400",
        "new": "1",
    }
    assert service.headers()["Authorization"].reveal() == "canary"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"region": "mars"}, "region"),
        ({"endpoint": "http://127.0.0.1"}, "WebSocket address"),
        ({"endpoint": "127.0.0.1:8900"}, "WebSocket address"),
        ({"endpoint": "wss://user:pw@host"}, "credentials"),
        ({"endpoint": "wss://host?token=x"}, "parameters"),
        ({"sample_rate": 48_000}, "sessions are 16000"),
        ({"encoding": "opus"}, "pcm_s16le"),
        ({"min_turn_silence": 1}, "50 to 10000 ms"),
    ],
)
def test_a_bad_argument_is_refused_when_the_service_is_made(arguments: dict, says: str) -> None:
    """Before anything is recorded."""
    with pytest.raises(ParameterError, match=says):
        nb.AssemblyAI(api_key="k", **arguments)


def test_the_key_is_found_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token before key, argument before what was asked for before the environment."""
    with pytest.raises(AuthError, match="ASSEMBLYAI_API_KEY"):
        nb.AssemblyAI().check()
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", " from-env ")
    assert nb.AssemblyAI().headers()["Authorization"].reveal() == "from-env"
    monkeypatch.setattr("getpass.getpass", lambda prompt: "asked")
    monkeypatch.setattr(services.key, "_asked", None)
    nb.ask_key()
    assert nb.AssemblyAI().headers()["Authorization"].reveal() == "asked"
    assert nb.AssemblyAI(api_key="argument").headers()["Authorization"].reveal() == "argument"
    both = nb.AssemblyAI(api_key="argument", token="token")
    assert both.headers()["Authorization"].reveal() == "token"


def test_a_key_with_a_line_break_is_refused_without_showing_it() -> None:
    """A pasted key with strange characters could end in a log as a broken header."""
    with pytest.raises(AuthError) as caught:
        nb.AssemblyAI(api_key="canary\r\nX: y").headers()
    assert "canary" not in str(caught.value)


def test_a_secret_shows_itself_nowhere() -> None:
    """Not in reprs, not pickled, not in what session.json keeps."""
    service = nb.AssemblyAI(
        api_key="canary", token="canary", webhook_auth_header_value="canary", extra={"x": "canary"}
    )
    assert "canary" not in repr(service) + str(service.describe()) + repr(vars(service)["_key"])
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(service)
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(service)


def test_whole_files_are_paced_for_the_service_only() -> None:
    """AssemblyAI gets at most 1.25 s of audio a second; a server here slows us by itself."""
    assert nb.AssemblyAI(api_key="k").max_speed == 1.25
    assert nb.AssemblyAI(api_key="k", endpoint="ws://localhost:8900").max_speed is None
    assert nb.AssemblyAI(api_key="k", max_speed=1.0).max_speed == 1.0
    assert nb.Local().max_speed is None


def test_the_default_service_follows_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the local recogniser, with one AssemblyAI; names and objects are taken too."""
    assert services.resolve(None).name == "local"
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "k")
    assert services.resolve(None).name == "assemblyai"
    assert services.resolve("local").name == "local"
    assert services.resolve("assemblyai").name == "assemblyai"
    mine = nb.Local(min_turn_silence=800)
    assert services.resolve(mine) is mine
    with pytest.raises(ParameterError, match="assemblyai"):
        services.resolve("whisper")


@pytest.mark.parametrize("seconds", [0, 601])
def test_a_tokens_range_is_checked_here(seconds: int) -> None:
    """1 to 600 s, before the network is used."""
    with pytest.raises(ParameterError, match="1 to 600"):
        nb.AssemblyAI(api_key="k").token(seconds)


def test_a_server_on_this_machine_needs_no_key() -> None:
    """`nbstream serve` takes any key, so none has to be made up; one that is there is used."""
    service = nb.AssemblyAI(endpoint="ws://127.0.0.1:8900")
    service.check()
    assert service.headers()["Authorization"].reveal() == "none"
    assert (
        nb.AssemblyAI(endpoint="ws://[::1]:1", api_key="k").headers()["Authorization"].reveal()
        == "k"
    )
    with pytest.raises(AuthError):
        nb.AssemblyAI(endpoint="ws://192.0.2.1:8900").check()
