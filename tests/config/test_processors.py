"""What is said of the processors comes from the system, and is nothing where the system says nothing."""

import pytest

from recsys_cli.config import processors


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["model name\t: A", "flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile"], True),
        (["model name\t: B", "flags\t\t: fpu avx2 avx512_bf16"], False),
        (["CPU part\t: 0xd40", "Features\t: bf16"], False),
        ([], False),
    ],
)
def test_bfloat16_is_multiplied_where_the_processor_has_matrix_instructions_for_it(
    lines, wanted, monkeypatch
):
    monkeypatch.setattr(processors, "processor_lines", lambda: lines)
    assert processors.multiplies_bfloat16() is wanted


def test_a_system_without_the_file_says_nothing(monkeypatch):
    def absent(*_args, **_kwargs):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", absent)
    assert processors.processor_lines() == []
