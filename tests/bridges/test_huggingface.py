"""Hugging Face's configurations, read into specs: parameters as transformers 5.24 counts them; files that are wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli import BneckError, analyze
from bneck_cli.bridges.importing import import_model

if TYPE_CHECKING:
    from pathlib import Path

DECODER = {"hidden_size": 512, "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 1000}
LATENTS = {
    **DECODER, "num_hidden_layers": 3, "intermediate_size": 1024, "moe_intermediate_size": 256, "n_routed_experts": 8,
    "n_shared_experts": 2, "num_experts_per_tok": 2, "first_k_dense_replace": 1, "kv_lora_rank": 128,
    "q_lora_rank": None, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64,
}  # fmt: skip
KNOWN: list[tuple[str, dict[str, Any], int]] = [
    ("llama", {**DECODER, "hidden_size": 2048, "num_hidden_layers": 4, "num_attention_heads": 32,
               "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000}, 307_251_200),
    ("llama", {**DECODER, "head_dim": 128, "intermediate_size": 1024, "attention_bias": True, "mlp_bias": True},
     8_378_880),
    ("mistral", {"hidden_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 32, "num_key_value_heads": 8,
                 "intermediate_size": 3584, "vocab_size": 32000, "sliding_window": 4096}, 120_071_168),
    ("qwen2", {"hidden_size": 896, "num_hidden_layers": 4, "num_attention_heads": 14, "num_key_value_heads": 2,
               "intermediate_size": 4864, "vocab_size": 151936, "tie_word_embeddings": True}, 195_785_088),
    ("qwen3", {"hidden_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 16, "num_key_value_heads": 8,
               "intermediate_size": 3072, "vocab_size": 151936, "tie_word_embeddings": True}, 218_507_264),
    ("phi3", {**DECODER, "intermediate_size": 1024, "vocab_size": 32064}, 38_078_976),
    ("gemma", {**DECODER, "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 2048}, 11_524_608),
    ("gemma2", {**DECODER, "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 2048}, 13_099_520),
    ("mixtral", {**DECODER, "num_key_value_heads": 4, "intermediate_size": 1024, "num_local_experts": 8,
                 "num_experts_per_tok": 2}, 27_773_440),
    ("qwen3_moe", {**DECODER, "num_key_value_heads": 4, "moe_intermediate_size": 256, "num_experts": 16,
                   "num_experts_per_tok": 4}, 16_772_096),
    ("deepseek_v2", LATENTS, 13_078_400),
    ("deepseek_v3", {**LATENTS, "num_hidden_layers": 4, "n_shared_experts": 1, "first_k_dense_replace": 2,
                     "q_lora_rank": 256}, 14_473_216),
    ("gpt2", {"n_layer": 4}, 67_736_832),
    ("bert", {"num_hidden_layers": 4}, 52_779_264),
    ("t5", {"d_model": 768, "num_layers": 3, "num_heads": 12, "d_ff": 3072}, 74_233_344),
    ("t5", {"num_layers": 2, "num_heads": 6, "d_ff": 1024, "feed_forward_proj": "gated-gelu"}, 27_466_112),
    ("vit", {"num_hidden_layers": 3, "num_labels": 1000}, 22_776_808),
    ("deit", {"num_hidden_layers": 3, "num_labels": 1000}, 22_778_344),
    ("resnet", {"num_labels": 1000}, 25_557_032),
    ("resnet", {"depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic", "num_labels": 10},
     11_181_642),
    ("convnext", {"num_labels": 1000}, 28_589_128),
    ("swin", {"num_labels": 1000}, 28_288_354),
]  # fmt: skip


def imported(folder: Path, config: Any, given: str | None = None) -> str:
    """Write a configuration to a file and return the spec that is made of it."""
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return import_model(str(path), [], given, opaque=False).text


@pytest.mark.parametrize(("kind", "options", "params"), KNOWN, ids=[f"{one[0]}-{one[2]}" for one in KNOWN])
def test_parameters_are_those_of_transformers(tmp_path: Path, kind: str, options: dict[str, Any], params: int) -> None:
    """Of the model with its head, made on the meta device there."""
    analysis = analyze(imported(tmp_path, {"model_type": kind, **options}))
    assert analysis.cost.inference_params == params


def test_a_network_of_the_library_is_extended(tmp_path: Path) -> None:
    """Its own figures come back where the configuration is its own."""
    text = imported(tmp_path, {"model_type": "swin", "depths": [2, 2, 18, 2], "num_labels": 1000})
    assert "extends: swin_t\nset: {channels: 96, depth: 9, window: 7, classes: 1000}\n" in text
    assert analyze(text).macs == analyze("swin_s").macs


def test_a_decoder_counts_what_the_library_counts(tmp_path: Path) -> None:
    """Llama 3's configuration gives the multiply-adds of the library's network."""
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
        "architectures": ["LlamaForCausalLM"],
    }  # fmt: skip
    analysis, own = analyze(imported(tmp_path, config, "1x2048")), analyze("llama3_8b")
    assert (analysis.cost.params, analysis.macs) == (own.cost.params, own.macs)


def test_a_length_may_be_given(tmp_path: Path) -> None:
    """As many words as the command line says."""
    config = {"model_type": "gpt2"}
    assert "input: 1 x 128" in imported(tmp_path, config, "1x128")
    with pytest.raises(BneckError, match="--input of a text is 1xLENGTH"):
        imported(tmp_path, config, "3x224x224")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "lama"}, "model_type 'lama' is not known here"),
    ({"model_type": "llama"}, "needs `hidden_size`"),
    ({"model_type": "llama", **DECODER, "intermediate_size": -3}, "`intermediate_size`: expected a whole number"),
    ({"model_type": "llama", **DECODER, "intermediate_size": 10**30}, "`intermediate_size`: expected a whole number"),
    ({"model_type": "llama", **DECODER, "intermediate_size": True}, "`intermediate_size`: expected a whole number"),
    ({"model_type": "llama", **DECODER, "num_hidden_layers": 10**6}, "expected at most 2000 layers"),
    ({"model_type": "llama", **DECODER, "architectures": ["LlamaForTokenClassification"]}, "`architectures`: expected"),
    ({"model_type": "gpt2", "n_head": 5}, "`n_head`: heads have 64 channels here"),
    ({"model_type": "vit", "intermediate_size": 5}, "`intermediate_size`: 3072 is what is written here (got 5)"),
    ({"model_type": "resnet", "hidden_sizes": [1, 2, 3, 4]}, "`hidden_sizes`: each of 4 widths is twice"),
    ({"model_type": "resnet", "hidden_sizes": "many"}, "`hidden_sizes`: expected whole numbers from 1"),
    ({"model_type": "swin", "depths": [2, 2, 7, 2]}, "`depths`: depths are 2, 2, an even number and 2 here"),
    ({"model_type": "qwen3_moe", **DECODER, "moe_intermediate_size": 4, "num_experts": 4, "num_experts_per_tok": 2,
      "mlp_only_layers": [0]}, "`mlp_only_layers`"),
    ({"model_type": "t5", "feed_forward_proj": "gated-tanh"}, "`feed_forward_proj`: expected relu or gated-gelu"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_no_spec_follows_is_an_error(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    """With the option, what was expected and what is there."""
    with pytest.raises(BneckError) as caught:
        imported(tmp_path, config)
    assert said in str(caught.value)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_mangled_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Options of other types: never anything but a spec or the one error."""
    kind, options, _ = data.draw(st.sampled_from(KNOWN))
    config: dict[str, Any] = {"model_type": kind, "_name_or_path": "a/b", **options}
    plain = st.one_of(st.none(), st.booleans(), st.integers(-5, 70), st.floats(), st.text(max_size=5))
    for name in data.draw(st.lists(st.sampled_from(list(config)[1:]), max_size=3)):
        config[name] = data.draw(plain | st.sampled_from([[], {}, [1, 2]]))
    with suppress(BneckError):
        analyze(imported(tmp_path_factory.mktemp("mangled"), config))
