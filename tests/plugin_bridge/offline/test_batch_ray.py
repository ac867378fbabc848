"""`bandmate batch --ray` on a real cluster of two nodes on this machine."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("ray")

RATE = 8_000
COUNT = 30  # songs
MODEL = ("--model", "fake", "--device", "cpu", "--threads", "1")
# A head and another node, with a processor each; `kill` ends the other like a power cut.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

for _ in range(3):  # Ray gives a node 30 s to start: too little on a very busy machine.
    try:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        break
    except Exception as error:
        print(error, file=sys.stderr)
other = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(other, allow_graceful=False)
    print("killed", flush=True)
cluster.shutdown()
"""


@pytest.fixture
def cluster(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return the process that holds the cluster: it takes `kill`, and ends with its stdin."""
    with (
        (tmp_path / "cluster.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env={**environment, "RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as holder,
    ):
        yield holder
        assert holder.stdin is not None
        holder.stdin.close()
        try:
            holder.wait(60)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()


def write_songs(folder: Path, count: int, seconds: int) -> None:
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).standard_normal((seconds * RATE, 1))
        soundfile.write(folder / f"{number:02}.wav", 0.1 * noise, RATE, "FLOAT")


def sounds(out: Path) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*.wav")}


@pytest.mark.slow
def test_a_cluster_gives_the_local_samples_though_a_node_dies(
    environment: dict[str, str],
    cluster: subprocess.Popen[str],
    tmp_path: Path,
) -> None:
    write_songs(tmp_path / "songs", COUNT, 20)
    (tmp_path / "songs" / "bad.wav").write_text("no audio")
    (tmp_path / "my.toml").write_text('[[drums]]\neffect = "Reverb"')
    command = ["batch", str(tmp_path / "songs"), "--chains", str(tmp_path / "my.toml"), *MODEL]
    local = tmp_path / "local"
    alone = [sys.executable, "-m", "bandmate_bridge.cli", *command, "--out", str(local)]
    assert subprocess.run(alone, env=environment, timeout=900, check=False).returncode == 1
    assert cluster.stdin is not None
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    assert address, (tmp_path / "cluster.log").read_text()
    out = tmp_path / "cluster"
    options = ["--out", str(out), "--ray", address, "--json"]
    job = subprocess.Popen(
        [sys.executable, "-m", "bandmate_bridge.cli", *command, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 900
    while len(list(out.glob("[!.]*/manifest.json"))) < 3:
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < deadline, (tmp_path / "cluster.log").read_text()
        time.sleep(0.01)
    cluster.stdin.write("kill\n")
    cluster.stdin.flush()
    assert cluster.stdout.readline() == "killed\n"
    assert job.poll() is None, "finished before the node was killed"
    text, errors = job.communicate(timeout=900)
    report = json.loads(text)
    assert report["counts"] == {"done": COUNT, "skipped": 0, "failed": 1, "cancelled": 0}
    assert report["jobs"] == 2
    assert job.returncode == 1
    (line,) = [line for line in errors.splitlines() if line.startswith("bandmate: error")]
    assert "bad.wav" in line
    expected = sounds(local)
    assert len(expected) == COUNT * 7
    assert sounds(out) == expected
    assert not list(out.glob("*.partial"))


@pytest.mark.slow
def test_no_cluster_is_one_line(bandmate: Callable[..., Any], tmp_path: Path) -> None:
    write_songs(tmp_path / "songs", 1, 1)
    ran = bandmate("batch", "songs", "--out", "out", *MODEL, "--ray", "127.0.0.1:1")
    assert ran.status == 1
    assert ran.errors[-1].startswith("bandmate: error: no Ray cluster at 127.0.0.1:1")


def test_without_ray_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from bandmate_bridge.batch.cluster import require_ray
    from bandmate_server.errors import BandmateError

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BandmateError, match=r"pip install 'bandmate\[ray\]'"):
        require_ray()
