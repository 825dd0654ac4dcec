"""What each command hands to its stage."""

from pathlib import Path

import pytest

from recsys_cli.config.settings import (
    EvaluateSettings,
    PreprocessSettings,
    ScoreSettings,
    TrainSettings,
)


def test_preprocess_hands_over_paths_and_settings(run, stages):
    outcome = run(
        "preprocess", "a.csv", "b*.csv", "-", "--items", "i.csv", "--users", "u.csv", "--output", "d",
        "--item-field", "genres=multi", "--item-field", "a=b=text", "--user-field", "age=number",
        "--positive-rating", "4", "--deduplicate", "--min-user-events", "2", "--encoders", "m",
        "--split", "time", "--validation-from", "2024-01-01", "--test-from", "1706745600", "--threads", "2",
    )  # fmt: skip
    assert outcome.code == 0
    stage = stages["preprocess"]
    assert stage.arguments == [["a.csv", "b*.csv", "-"], Path("d")]
    assert stage.settings == PreprocessSettings(
        item_fields={"genres": "multi", "a=b": "text"},
        user_fields={"age": "number"},
        positive_rating=4.0,
        deduplicate=True,
        min_user_events=2,
        split="time",
        validation_from="2024-01-01",
        test_from="1706745600",
        threads=2,
    )
    assert stage.options["items"] == Path("i.csv")
    assert stage.options["users"] == Path("u.csv")
    assert stage.options["encoders"] == Path("m")
    assert stage.options["overwrite"] is False


def test_train_hands_over_paths_and_settings(run, stages):
    outcome = run(
        "train", "d", "--output", "m", "--preset", "balanced", "--epochs", "3", "--seed", "8",
        "--no-cross-attention", "--loss", "sampled-softmax", "--resume", "--overwrite",
    )  # fmt: skip
    assert outcome.code == 0
    stage = stages["train"]
    assert stage.arguments == [Path("d"), Path("m")]
    assert isinstance(stage.settings, TrainSettings)
    assert stage.settings.epochs == 3
    assert stage.settings.seed == 8
    assert stage.settings.loss == "sampled-softmax"
    assert stage.settings.model.cross_attention is False
    assert stage.options["resume"] is True
    assert stage.options["overwrite"] is True


def test_score_hands_over_paths_and_settings(run, stages):
    outcome = run(
        "score", "m", "--dataset", "d", "--output", "r.parquet", "--top-k", "7", "--candidates", "50",
        "--scorer", "retrieval", "--include-seen", "--before", "test", "--layout", "lists", "--keep", "3",
        "--popular-days", "9", "--users", "u", "--allow-items", "a", "--deny-items", "b", "--deny-pairs", "p",
    )  # fmt: skip
    assert outcome.code == 0
    stage = stages["score"]
    assert stage.arguments == [Path("m"), Path("d"), Path("r.parquet")]
    assert stage.settings == ScoreSettings(
        top_k=7,
        candidates=50,
        scorer="retrieval",
        include_seen=True,
        before="test",
        layout="lists",
        keep=3,
        popular_days=9,
    )
    files = {name: stage.options[name] for name in ("users", "allow_items", "deny_items", "deny_pairs")}
    assert files == {
        "users": Path("u"), "allow_items": Path("a"), "deny_items": Path("b"), "deny_pairs": Path("p"),
    }  # fmt: skip


def test_a_flag_of_the_file_can_be_taken_back(run, stages, tmp_path):
    config = tmp_path / "score.toml"
    config.write_text("include_seen = true\ntop_k = 3\n")
    base = ("score", "m", "--dataset", "d", "--output", "r.parquet", "--config", str(config))
    assert run(*base).code == 0
    assert stages["score"].settings == ScoreSettings(include_seen=True, top_k=3)
    assert run(*base, "--no-include-seen").code == 0
    assert stages["score"].settings == ScoreSettings(include_seen=False, top_k=3)


@pytest.mark.parametrize(
    ("arguments", "measured"),
    [
        (("model", "data"), {"model": Path("model"), "recommendations": None}),
        (
            ("--recommendations", "r.parquet", "--dataset", "data"),
            {"model": None, "recommendations": Path("r.parquet")},
        ),
    ],
)
def test_evaluate_takes_a_model_or_a_table(run, stages, arguments, measured):
    assert run("evaluate", *arguments, "--split", "test", "--seed", "4").code == 0
    stage = stages["evaluate"]
    assert stage.arguments == [Path("data")]
    assert stage.settings == EvaluateSettings(split="test", seed=4)
    assert {name: stage.options[name] for name in measured} == measured


def test_a_refit_takes_its_settings_from_its_model(run, stages):
    assert run("train", "d", "--output", "m", "--refit", "older", "--resume").code == 0
    assert stages["train"].options["settings"] is None
    assert stages["train"].options["refit"] == Path("older")


@pytest.mark.parametrize("option", ["--epochs=3", "--preset=fast", "--no-cross-attention", "--config=x.toml"])
def test_a_setting_that_a_refit_would_not_hear_is_refused(run, stages, option):
    outcome = run("train", "d", "--output", "m", "--refit", "older", option)
    assert outcome.code == 2
    assert "means nothing with --refit" in outcome.stderr
    assert stages["train"].arguments == []
