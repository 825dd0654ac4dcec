"""A pipeline's file is checked in full before anything runs; errors name the file and the key."""

from pathlib import Path

import pytest

from recsys_cli.config.settings import TrainSettings
from recsys_cli.errors import UsageError
from recsys_cli.pipelines.pipeline import Running, load_pipeline

TRAIN = '[stages.train]\ndataset = "data"\noutput = "model"\n'
SCORE = '[stages.score]\nmodel = "m"\ndataset = "data"\noutput = "r.csv"\n'


@pytest.fixture
def load(tmp_path: Path, commands):
    def load(toml: str, **told):
        path = tmp_path / "night.toml"
        path.write_text(toml)
        return load_pipeline(path, commands, Running(**told))

    return load


def test_stages_keep_the_order_of_the_file_and_may_share_a_command(load):
    pipeline = load(
        TRAIN
        + SCORE
        + '[stages.mail]\ncommand = "score"\nmodel = "m"\ndataset = "data"\noutput = "mail.csv"\ntop_k = 3\n'
    )
    assert [(stage.name, stage.command.name) for stage in pipeline.stages] == [
        ("train", "train"), ("score", "score"), ("mail", "score"),
    ]  # fmt: skip
    assert pipeline.stages[2].settings.model_dump()["top_k"] == 3
    assert pipeline.stages[2].inputs == ["m", "data"]


def test_settings_are_those_of_the_command_with_its_presets_and_tables(load):
    stage = load(TRAIN + 'preset = "fast"\nepochs = 4\n[stages.train.model]\nhead_dim = 7\n').stages[0]
    assert isinstance(stage.settings, TrainSettings)
    assert (stage.settings.epochs, stage.settings.min_steps) == (4, 800)
    assert (stage.settings.model.head_dim, stage.settings.model.embedding_dim) == (7, 64)


def test_a_settings_file_lies_under_the_stages_own_keys_and_beside_the_pipeline(load, tmp_path):
    (tmp_path / "train.toml").write_text("epochs = 9\nseed = 5\n")
    settings = load(TRAIN + 'config = "train.toml"\nepochs = 4\n').stages[0].settings
    assert (settings.model_dump()["epochs"], settings.model_dump()["seed"]) == (4, 5)


def test_a_stages_timeout_wins_over_the_files_and_the_command_line_over_both(load):
    toml = "timeout = 60\nkeep_logs = 3\n" + TRAIN + "timeout = 5\n" + SCORE
    assert [stage.timeout for stage in load(toml).stages] == [5, 60]
    assert [stage.timeout for stage in load(toml, timeout=2.5).stages] == [2.5, 2.5]
    assert (load(toml).keep_logs, load(toml, keep_logs=8).keep_logs) == (3, 8)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("", "night.toml has no stages."),
        ("[stages", "is not a TOML file"),
        ("keep_log = 3\n" + TRAIN, "unknown key keep_log."),
        ("keep_logs = 0\n" + TRAIN, "keep_logs=0 is not allowed: it must be at least 1."),
        ("timeout = true\n" + TRAIN, "timeout=true is not allowed: it must be a number."),
        ("[stage.train]\n", "unknown key stage."),
        ("stages = 3\n", "stages must be a table."),
        ("stages.train = 3\n", "stages.train must be a table."),
        ("[expectations]\nmax_lost_user = 0.1\n" + TRAIN, "unknown key expectations.max_lost_user."),
        ("[expectations]\nmax_rejects = 2\n" + TRAIN, "expectations.max_rejects=2 is not allowed"),
        ('[stages.tidy]\noutput = "x"\n', "stages.tidy has no command."),
        ('[stages.tidy]\ncommand = "sweep"\n', "stages.tidy has an unknown command 'sweep'."),
        ('[stages."../x"]\ncommand = "train"\n', "the stage '../x' cannot be called so."),
        (TRAIN + "epoch = 3\n", "unknown key stages.train.epoch."),
        (TRAIN + "resume = true\n", "unknown key stages.train.resume."),
        (
            TRAIN + 'epochs = "many"\n',
            'stages.train.epochs="many" is not allowed: it must be a whole number.',
        ),
        (TRAIN + "model = {dropuot = 0.5}\n", "unknown key stages.train.model.dropuot."),
        (TRAIN + "timeout = -1\n", "stages.train.timeout=-1 is not allowed"),
        (TRAIN + 'device = "abacus"\n', "stages.train: Invalid value for '--device'"),
        (TRAIN + "device = {}\n", "stages.train.device must be text, a number, true or false"),
        (TRAIN.replace('dataset = "data"\n', ""), "stages.train: Missing argument"),
        (TRAIN.replace('output = "model"\n', ""), "stages.train: Missing option '--output'"),
        (TRAIN.replace('"model"', '".."'), "stages.train.output must name what the stage makes."),
        (SCORE + "top_k = 300\n", "stages.score: top-k=300 is more than candidates=200."),
        ('[stages.evaluate]\nmodel = "m"\ndataset = "d"\n', "stages.evaluate.output must name what"),
        ('[stages.preprocess]\ninteractions = ["a.csv", "-"]\noutput = "d"\n', "is standard input"),
        (
            TRAIN + '[stages.b]\ncommand = "train"\ndataset = "d"\noutput = "./model"\n',
            "have one output, model.",
        ),
        (TRAIN + 'config = "none.toml"\n', "none.toml cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_sentence(load, toml, says):
    with pytest.raises(UsageError) as refused:
        load(toml)
    assert says in refused.value.message
    assert "night.toml" in refused.value.message or "none.toml" in refused.value.message
    assert refused.value.hint.endswith((".", "?"))


def test_a_file_that_is_not_there_is_refused(tmp_path, commands):
    with pytest.raises(UsageError, match=r"none\.toml cannot be read"):
        load_pipeline(tmp_path / "none.toml", commands)


def test_stages_are_chosen_by_name_or_from_one_on(load):
    pipeline = load(TRAIN + SCORE)
    assert [stage.name for stage in pipeline.chosen(only=["score"], first=None)] == ["score"]
    assert [stage.name for stage in pipeline.chosen(only=[], first="score")] == ["score"]
    assert len(pipeline.chosen(only=[], first=None)) == 2
    with pytest.raises(UsageError, match="has no stage 'skore'") as unknown:
        pipeline.chosen(only=["skore"], first=None)
    assert unknown.value.hint == "Did you mean score?"
    with pytest.raises(UsageError, match="exclude each other"):
        pipeline.chosen(only=["score"], first="train")


def test_a_refit_is_not_judged_for_it_has_seen_the_validation_part(load):
    toml = "[expectations]\nbetter_than_popular = true\n" + TRAIN
    refit = '[stages.refit]\ncommand = "train"\ndataset = "data"\nrefit = "model"\noutput = "production"\n'
    assert [stage.judged for stage in load(toml + refit).stages] == [True, False]
