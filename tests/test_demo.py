"""The demo in short: what it writes and says, how it fails; two epochs instead of a hundred."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import graphad
from graphad.__main__ import main
from graphad.demo.data import load_digits, varied
from graphad.demo.digits import LIBRARIES, Outcome, Settings, run
from graphad.demo.model import build_model
from graphad.demo.training import check_loss
from graphad.errors import GraphadError, MissingLibraryError, UseError

PNG = b"\x89PNG\r\n"
FLOOR = 0.8  # accuracy after two epochs; guessing reaches 0.1


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(Settings(out=tmp_path_factory.mktemp("demo"), epochs=2))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line that argparse prints before it ends the program with code 2."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


# ---- as a program ---------------------------------------------------------------------------


def test_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "graphad", "demo", "--epochs", "2", "--out", "new/folder"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    words = [line.split()[0] for line in done.stdout.splitlines()[:6]]
    assert words == ["graphad", "data", "graph", "seconds", "accuracy", "written"]
    assert "training: 100%" in done.stderr and "loss=" in done.stderr
    share = re.search(r"accuracy +(\d\.\d+)", done.stdout)
    assert share is not None and float(share[1]) > FLOOR
    names = {path.name for path in (tmp_path / "new/folder").iterdir()}
    assert {"digits-training.png", "digits-source.py"} < names and len(names) == 3


def test_without_arguments_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "demo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--version"], graphad.__version__), (["--help"], "demo"), (["demo", "--help"], "--epochs")],
)
def test_asked_for(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0 and text in capsys.readouterr().out


# ---- what it writes -------------------------------------------------------------------------


def test_files(outcome: Outcome) -> None:
    files = {path.name: path.read_bytes() for path in outcome.files}
    assert files["digits-training.png"].startswith(PNG)
    compile(files["digits-source.py"], "digits-source.py", "exec")
    if "digits-graph.svg" in files:
        assert ET.fromstring(files["digits-graph.svg"]).tag == "{http://www.w3.org/2000/svg}svg"
        for title in (b"layer1", b"layer2", b"gradient of layer1", b"gradient of w1"):
            assert title in files["digits-graph.svg"]
    folder = outcome.files[0].parent
    assert {path.name for path in folder.iterdir()} == set(files)  # and nothing half-written


def test_source_is_the_whole_step(outcome: Outcome) -> None:
    """The written program runs by itself and gives what the step gives."""
    namespace: dict = {}
    exec(outcome.files[-1].read_text("utf-8"), namespace)
    step, digits = outcome.model.step, outcome.digits
    arguments = (digits.images[:7], digits.labels[:7], np.float64(0.1))
    loss, *_ = namespace["program"](*arguments, *[w.value for w in step.shared])
    assert loss == outcome.model.evaluate(*arguments[:2])[0]


def test_dot_where_the_program_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 0
    assert "install graphviz" in capsys.readouterr().out
    assert (tmp_path / "digits-graph.dot").read_text("utf-8").startswith("digraph")
    assert not (tmp_path / "digits-graph.svg").exists()


# ---- what it learns -------------------------------------------------------------------------


def test_split_keeps_shares_and_overlaps_nowhere() -> None:
    digits = load_digits(np.random.default_rng(0))
    parts = [digits.labels, digits.test_labels]
    shares = [np.bincount(labels) / len(labels) for labels in parts]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.005)
    rows = {image.tobytes() for image in digits.images}
    assert not rows & {image.tobytes() for image in digits.test_images}
    assert len(digits.labels) + len(digits.test_labels) == 1797


def test_variations_move_by_one_pixel_at_most() -> None:
    image = np.zeros((8, 8))
    image[3, 4] = 1000.0
    many = varied(np.tile(image.ravel(), (300, 1)), np.random.default_rng(0))
    places = {divmod(int(i), 8) for i in many.argmax(axis=1)}
    assert places == {(i, j) for i in (2, 3, 4) for j in (3, 4, 5)}


def test_learns(outcome: Outcome) -> None:
    history = outcome.history
    assert outcome.accuracy > FLOOR and history.loss[1] < history.loss[0]
    _, accuracy = outcome.model.evaluate(outcome.digits.test_images, outcome.digits.test_labels)
    assert accuracy == outcome.accuracy


def test_gradient_against_differences() -> None:
    """Along a random direction of w1 the loss changes as the gradient says."""
    rng = np.random.default_rng(1)
    digits, model = load_digits(rng), build_model(rng, hidden=16)
    images, labels = digits.images[:20], digits.labels[:20]
    x = graphad.graph.find(model.loss, "images")
    t = graphad.graph.find(model.loss, "labels")
    (w1,) = [w for w in model.evaluate.shared if w.name == "w1"]
    gradient = model.gradients["gradient of w1"].eval({x: images, t: labels})
    start, direction, h = w1.value, rng.normal(size=w1.value.shape), 1e-6
    losses = []
    for sign in (1, -1):
        w1.value = start + sign * h * direction
        losses.append(model.evaluate(images, labels)[0])
    slope = (losses[0] - losses[1]) / (2 * h)
    np.testing.assert_allclose(slope, (gradient * direction).sum(), rtol=1e-6)


def test_seed_decides_everything(outcome: Outcome, tmp_path: Path) -> None:
    again = run(Settings(out=tmp_path, epochs=2))
    other = run(Settings(out=tmp_path, epochs=2, seed=1))
    assert again.history.loss == outcome.history.loss != other.history.loss
    for first, second in zip(outcome.model.step.shared, again.model.step.shared, strict=True):
        np.testing.assert_array_equal(first.value, second.value)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_full_training(seed: int, tmp_path: Path) -> None:
    outcome = run(Settings(out=tmp_path, seed=seed))
    assert outcome.accuracy >= 0.97 and outcome.history.seconds <= 30


# ---- how it fails ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--epochs 0", "argument --epochs: '0' is no whole number from 1 on"),
        ("--epochs -3", "argument --epochs: '-3' is no whole number from 1 on"),
        ("--epochs ten", "argument --epochs: 'ten' is no whole number from 1 on"),
        ("--seed -1", "argument --seed: '-1' is no whole number from 0 on"),
        ("--seed 1.5", "argument --seed: '1.5' is no whole number from 0 on"),
        ("--batch 0", "argument --batch: '0' is no whole number from 1 on"),
        ("--batch 5000", "batch=5000 is more than there is to learn from"),
        ("--rate 0", "argument --rate: '0' is no number above 0"),
        ("--rate nan", "argument --rate: 'nan' is no number above 0"),
        ("--epoch-count 3", "unrecognized arguments: --epoch-count"),
        ("extra", "unrecognized arguments: extra"),
    ],
)
def test_bad_arguments(
    arguments: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert complaint in refused(["demo", *arguments.split()], capsys)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for place in (file, file / "inside"):
        message = refused(["demo", "--out", str(place)], capsys)
        assert "argument --out: cannot write into" in message and "a file is in the way" in message
    assert file.read_text() == "mine"


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="the superuser may write everywhere",
)
def test_folder_without_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert "cannot write into" in refused(["demo", "--out", str(tmp_path)], capsys)


def test_missing_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in LIBRARIES:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingLibraryError, match="scikit-learn"):
        run(Settings(out=tmp_path))
    assert main(["demo", "--out", str(tmp_path / "new")]) == 1
    message = capsys.readouterr().err
    assert "pip install 'graphad[demo]'" in message and "Traceback" not in message
    assert list(tmp_path.iterdir()) == []


def test_divergence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--epochs", "2", "--rate", "1e9", "--out", str(tmp_path)]
    assert main(["demo", *settings]) == 1
    assert "choose a smaller --rate" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("loss", [np.nan, np.inf, 1e5])
def test_lost_training(loss: float) -> None:
    with pytest.raises(GraphadError, match="epoch 3"):
        check_loss(loss, epoch=3)


def test_interruption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(settings: Settings) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphad.__main__.run", interrupt)
    assert main(["demo", "--out", str(tmp_path)]) == 130


def test_batch_error_is_a_use_error(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="at most 1437"):
        run(Settings(out=tmp_path, batch=1438))
