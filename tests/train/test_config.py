"""Settings: read, overridden, refused in one line."""

from pathlib import Path

import pytest

from models import create_model
from models.errors import EsrError
from train.ablation import TABLES, make_rows
from train.config import Config, build_parser, parse, read_yaml, scaled, write_yaml

CONFIGS = sorted((Path(__file__).parents[2] / "train/configs").glob("*.yaml"))
RUNS = [path for path in CONFIGS if path.name != "tables.yaml"]


def settings(*words: str) -> Config:
    return parse(build_parser("train.py", "", ""), words)[0]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_every_config_is_a_run(path: Path) -> None:
    config = read_yaml(path)
    assert config.name == path.stem
    assert any(True for _ in create_model(config.model.name, **config.model.options).parameters())
    if config.teacher:
        assert config.teacher.weights.endswith("weights.safetensors")


def test_the_papers_recipe() -> None:
    teacher, student = (read_yaml(RUNS[0].with_name(f"dvmsr_{kind}.yaml")) for kind in ("teacher", "student"))
    for config in (teacher, student):
        o = config.optimizer
        assert (config.steps, config.batch, config.data.patch, config.data.hr) == (
            500_000,
            128,
            256,
            ["DIV2K", "Flickr2K"],
        )
        assert (o.lr, o.betas, o.gamma) == (2e-4, [0.9, 0.99], 0.5)
        assert o.milestones == [250_000, 400_000, 450_000, 475_000]
    sizes = {c.name: sum(p.numel() for p in create_model(c.model.name, **c.model.options).parameters())
             for c in (teacher, student, *(read_yaml(RUNS[0].with_name(f"{n}.yaml"))
                                           for n in ("dvmsr_ntire_student", "dvmsr_ntire_student_2rssb")))}  # fmt: skip
    assert 7.4315e6 < sizes["dvmsr_teacher"] < 7.4325e6
    assert sizes["dvmsr_student"] == sizes["dvmsr_ntire_student"] == 424_428
    assert sizes["dvmsr_ntire_student_2rssb"] == 242_388


def test_a_scaled_run_is_the_same_run_with_smaller_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_yaml(RUNS[0].with_name("dvmsr_student.yaml"))
    small = scaled(whole, 1e-4)
    assert (small.steps, small.batch, small.data.patch) == (50, 1, 64)
    assert small.optimizer.milestones == [25, 40, 45, 48]
    assert (small.data.limit, small.validation.limit) == (1, 1)
    assert (small.validation.every, small.save_every, small.log_every) == (25, 25, 1)
    assert (small.model, small.teacher, small.optimizer.lr) == (whole.model, whole.teacher, whole.optimizer.lr)
    half = scaled(whole, 0.5)
    assert (half.steps, half.batch, half.data.limit, half.validation.every) == (250_000, 64, 500, 125_000)
    assert half.data.patch == 180
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert scaled(whole, 1e-4).batch == 4
    assert scaled(whole, 1) == whole
    for factor in (0, -1, 1.5, float("nan")):
        with pytest.raises(EsrError, match="--scale"):
            scaled(whole, factor)


@pytest.mark.parametrize("table", list(TABLES))
def test_every_row_of_the_ablations_is_a_run(table: str) -> None:
    base = read_yaml(RUNS[0].with_name("ablation.yaml"))
    rows = make_rows(table, base)
    assert len({row.config.name for row in rows}) == len(rows)
    for row in rows:
        create_model(row.config.model.name, **row.config.model.options)
        assert (row.teacher is None) == (row.config.teacher is None)
    assert base.model.options == {}


def test_flags_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("steps: 7\nmodel: {name: dvmsr, options: {channels: 24}}\noptimizer: {lr: 1.0e-3}\n")
    config = settings("--config", str(file), "--optimizer.milestones", "[3, 5]", "--model.options.channels", "32")
    assert (config.steps, config.optimizer.lr, config.optimizer.milestones) == (7, 1e-3, [3, 5])
    assert config.model.options == {"channels": 32}
    assert config.teacher is None
    file.write_text(write_yaml(config))
    assert read_yaml(file) == config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stepz: 3", ["unknown setting 'stepz'", "did you mean steps?"]),
        ("optimizer: {milestone: [3]}", ["unknown setting 'milestone'", "optimizer.milestones"]),
        ("teacher: {wights: x}", ["wights"]),
        ("steps: many", ["steps", "many"]),
        ("optimizer: {lr: -1.0}", ["optimizer.lr is -1.0", "positive"]),
        ("batch: 10\naccumulate: 3", ["batch 10", "multiple of accumulate 3"]),
        ("ema: 1.0", ["ema is 1.0"]),
        ("loss: l3", ["loss", "l3"]),
        ("data: {hr: []}", ["data.hr is empty"]),
        ("name: a/b", ["name is 'a/b'"]),
        ("name: ..", ["name is '..'"]),
        (f"name: {'x' * 101}", ["name is 'xxx"]),
        ("device: tpu", ["device is 'tpu'", "auto, cpu or cuda"]),
        ("device: cuda:1", ["device is 'cuda:1'", "auto, cpu or cuda"]),
        ("seed: 100000000000000000000", ["seed is 1e+20", "below 2^63"]),
        ("optimizer: {lr: 1.0e+300}", ["optimizer.lr is 1e+300", "at most"]),
        ("data: {patch: 4}", ["data.patch is 4", "at least 16"]),
        ("validation: {sets: []}", ["validation.sets is empty"]),
        ("a: &a [x]\n" + "".join(f"b{i}: *a\n" for i in range(60)), ["60 aliases"]),
        ("steps: \x00", ["is no YAML"]),
        ("steps: [", ["wrong"]),
        ("optimizer: {betas: [0.9]}", ["optimizer.betas"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(EsrError) as error:
        settings("--config", str(file))
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_flags_and_missing_files() -> None:
    with pytest.raises(EsrError, match=r"unknown setting 'data.pach'; did you mean data.patch\?"):
        settings("--data.pach", "64")
    with pytest.raises(EsrError, match=r"nowhere\.yaml"):
        settings("--config", "nowhere.yaml")
