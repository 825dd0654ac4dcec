"""What would be done, and why; looking changes nothing."""

from recsys_cli.pipelines.run import dry_run


def planned(night) -> dict[str, tuple[str, str]]:
    pipeline = night.load()
    return {each.stage: (each.action, each.reason) for each in dry_run(pipeline, pipeline.stages).stages}


def test_before_the_first_run_everything_is_to_be_run_and_nothing_is_made(night):
    before = sorted(night.folder.rglob("*"))
    assert {action for action, _ in planned(night).values()} == {"run"}
    assert sorted(night.folder.rglob("*")) == before


def test_a_plan_is_what_the_run_then_does(night):
    night.run()
    assert planned(night) == dict.fromkeys(
        ["preprocess", "train", "score", "evaluate"], ("skip", "nothing changed since its output was made")
    )
    night.events(ann=["a", "b"])
    before = night.bytes("data", "model", "night.run")
    assert planned(night) == {
        "preprocess": ("run", "events.json changed"),
        "train": ("run", "after preprocess, unless that makes the same again"),
        "score": ("run", "after preprocess, train, unless that makes the same again"),
        "evaluate": ("run", "after preprocess, train, unless that makes the same again"),
    }
    assert night.bytes("data", "model", "night.run") == before
    assert set(night.outcomes().values()) == {"ran"}


def test_each_change_has_its_reason(night, monkeypatch):
    night.run()
    toml = (night.folder / "night.toml").read_text()
    night.write(toml.replace('"metrics.json"', '"report.json"\nseed = 2'))
    assert planned(night)["evaluate"] == ("run", "the configuration changed: seed")
    night.write(toml.replace('"metrics.json"', '"report.json"'))
    assert planned(night)["evaluate"] == ("run", "report.json is not there")
    night.write(toml.replace("[stages.evaluate]", '[stages.report]\ncommand = "evaluate"'))
    assert planned(night)["report"] == ("run", "it has not run before")
    night.write(toml)
    (night.folder / "metrics.json").write_text("{}")
    assert planned(night)["evaluate"] == ("run", "metrics.json is not what the stage made")
    (night.folder / "events.json").unlink()
    assert planned(night)["preprocess"] == ("run", "events.json is not there")
    monkeypatch.setattr("recsys_cli.pipelines.records.__version__", "9.9")
    assert planned(night)["train"][1].startswith("its output was made by recsys ")


def test_the_command_is_shown_as_it_would_be_run(night):
    pipeline = night.load()
    train = dry_run(pipeline, pipeline.stages).stages[1]
    assert train.command == [
        "recsys", "train", "--output=model", "--config=night.run/train.toml", "--json", "--overwrite",
        "--", "data",
    ]  # fmt: skip


def test_a_refit_gets_no_settings_file_for_its_settings_are_its_models(night):
    refit = '[stages.refit]\ncommand = "train"\ndataset = "data"\nrefit = "model"\noutput = "last"\n'
    night.write((night.folder / "night.toml").read_text() + refit)
    pipeline = night.load()
    command = dry_run(pipeline, pipeline.stages).stages[-1].command
    assert command[2:] == ["--refit=model", "--output=last", "--json", "--overwrite", "--", "data"]
