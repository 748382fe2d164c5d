"""The official Node SDK, unmodified, against the local server over TLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nbstream.local.server import Server
from tests.talking import DEADLINE_S, load_model, two_turns

trustme = pytest.importorskip("trustme")
HERE = Path(__file__).parent / "node"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (HERE / "node_modules" / "assemblyai").is_dir(),
        reason="the Node SDK is not installed: run npm ci in tests/node",
    ),
]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs session.mjs against a TLS server with a certificate of its own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(tmp_path / "cert.pem", append=True)
    (tmp_path / "audio.raw").write_bytes(two_turns())

    def node(key: str) -> list[dict[str, Any]]:
        assert NODE is not None
        with Server(
            load_model(),
            key="right",
            certfile=tmp_path / "cert.pem",
            keyfile=tmp_path / "key.pem",
        ) as server:
            assert server.url.startswith("wss://")
            done = subprocess.run(
                [NODE, "session.mjs", server.url, str(tmp_path / "audio.raw"), key],
                cwd=HERE,
                env=os.environ | {"NODE_EXTRA_CA_CERTS": str(tmp_path / "ca.pem")},
                capture_output=True,
                text=True,
                timeout=DEADLINE_S,
                check=True,
            )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return node


def test_a_whole_session(run: Any) -> None:
    """Token, Begin, two turns with partials and finals, Termination; and the key on the socket."""
    heard, by_key = run("right")
    assert heard.get("failure") is None
    assert heard["token"] == "AQI"
    assert heard["begin"]["configuration"]["model"] == "moonshine-tiny-en"
    finals = [turn for turn in heard["turns"] if turn["end_of_turn"]]
    assert len(heard["turns"]) > len(finals)
    assert [turn["turn_order"] for turn in finals] == [0, 1]
    assert finals[0]["transcript"].startswith("Mary rolled the barrel")
    assert finals[1]["transcript"].startswith("Bobby ripped the ledger")
    assert heard["errors"] == []
    assert heard["closed"]
    assert by_key == {"opened": True}


def test_a_wrong_key(run: Any) -> None:
    """No token, and the socket is refused in the server's words."""
    heard, by_key = run("wrong")
    assert "failure" in heard
    assert by_key == {"code": 1008, "message": "Unauthorized Connection: Invalid API key"}
