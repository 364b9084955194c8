"""Language models by their configuration: the decoder that Llama made usual, with experts or latents, GPT-2 and T5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.readers.settings import Settings

ACTIVATIONS = {
    "silu": "silu", "gelu": "gelu", "gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "gelu_fast": "gelu",
    "relu": "relu",
}  # fmt: skip


class Decoder(NamedTuple):
    """What sets one kind of decoder apart: defaults, and what stands in a layer."""

    name: str
    bias: str = "none"
    asks_bias: bool = False
    """Whether the biases of attention are an option."""
    qk_norm: bool = False
    head_dim: int | None = None
    tied: bool = False
    act: str = "silu"
    act_name: str = "hidden_act"
    behind: bool = False
    """Whether a norm stands behind each branch as well."""
    experts: str = ""
    """The option that says how many experts there are."""
    expert_width: str = "intermediate_size"


DECODERS = {
    "llama": Decoder("Llama", asks_bias=True),
    "mistral": Decoder("Mistral"),
    "qwen2": Decoder("Qwen2", bias="qkv"),
    "qwen3": Decoder("Qwen3", asks_bias=True, qk_norm=True, head_dim=128),
    "phi3": Decoder("Phi3"),
    "gemma": Decoder("Gemma", asks_bias=True, head_dim=256, tied=True, act="gelu"),
    "gemma2": Decoder(
        "Gemma2", asks_bias=True, head_dim=256, tied=True, act="gelu", act_name="hidden_activation", behind=True
    ),
    "mixtral": Decoder("Mixtral", experts="num_local_experts"),
    "qwen3_moe": Decoder(
        "Qwen3Moe",
        asks_bias=True,
        qk_norm=True,
        head_dim=128,
        experts="num_experts",
        expert_width="moe_intermediate_size",
    ),
}


def activation(settings: Settings, name: str, default: str) -> str:
    """Return the activation of an option."""
    word = settings.one_of(name, tuple(ACTIVATIONS), default)
    return ACTIVATIONS[word]


def ends(channels: int, words: int, tied: bool) -> tuple[str, str]:
    """Return the first step of a decoder, and the last."""
    share = " share=words" if tied else ""
    return f"  - embed {words} {channels}{share}", f"  - rmsnorm -> linear {words} nobias{share}"


def decoder(settings: Settings) -> str:
    """Layers of attention and a gated pair of linear layers, norms before both."""
    kind = DECODERS[settings.config["model_type"]]
    settings.head = f"{kind.name}ForCausalLM"
    settings.architecture(settings.head)
    channels, depth = settings.whole("hidden_size"), settings.whole("num_hidden_layers")
    heads = settings.whole("num_attention_heads")
    kv, words = settings.whole("num_key_value_heads", heads), settings.whole("vocab_size")
    dim = settings.whole("head_dim", kind.head_dim or max(1, channels // heads))
    tied = settings.flag("tie_word_embeddings", kind.tied)
    bias = ("qkvo" if settings.flag("attention_bias", False) else "none") if kind.asks_bias else kind.bias
    act = ACTIVATIONS[kind.act] if kind.name == "Gemma" else activation(settings, kind.act_name, _spelled(kind.act))
    settings.sequence(settings.whole("max_position_embeddings", 2048))
    attention = f"attention heads={heads} kv={kv}"
    attention += "" if heads * dim == channels else f" head_dim={dim}"
    attention += "" if bias == "qkvo" else f" bias={bias}"
    attention += (" qk_norm=rmsnorm" if kind.qk_norm else "") + " causal"
    window = settings.get("sliding_window")
    windowed = isinstance(window, int) and window > 0 and settings.get("use_sliding_window", True) is not False
    if windowed and window < settings.length:
        if kind.behind or kind.name != "Mistral":
            raise settings.error(
                "sliding_window", f"a window below the {settings.length} words that enter is not written"
            )
        attention += f" window={window}"
    attention += " position=rotary"
    norm = " -> rmsnorm" if kind.behind else ""
    mlp, lines = _mixture(settings, kind, act) if kind.experts else _pair(settings, act)
    text = ["", "blocks:", "  decoder:", f"    - residual: rmsnorm -> {attention}{norm}", "    - residual:"]
    text += ["        - rmsnorm", *lines, *(["        - rmsnorm"] if kind.behind else [])]
    first, last = ends(channels, words, tied)
    text += ["", "net:", first, f"  - {depth}x decoder", last]
    inner = heads * dim
    sizes = {"q": inner, "k": kv * dim, "v": kv * dim, "o": channels}
    each = channels * (2 * inner + 2 * kv * dim) + sum(sizes[one] for one in bias if one in sizes and bias != "none")
    each += (2 * dim if kind.qk_norm else 0) + mlp(channels) + channels * (4 if kind.behind else 2)
    settings.expected = words * channels * (1 if tied else 2) + depth * each + channels
    return f"input: {settings.input}\n" + "\n".join(text) + "\n"


def _spelled(word: str) -> str:
    return "gelu_pytorch_tanh" if word == "gelu" else word


def _pair(settings: Settings, act: str) -> tuple[Callable[[int], int], list[str]]:
    """Return what counts the parameters of a gated pair of linear layers, and its lines."""
    width = settings.whole("intermediate_size")
    biased = settings.flag("mlp_bias", False)
    word = "" if biased else " nobias"
    lines = [f"        - mul: [linear {width}{word} -> {act}, linear {width}{word}]", f"        - linear cin{word}"]

    def count(channels: int) -> int:
        return 3 * channels * width + (2 * width + channels if biased else 0)

    return count, lines


def _mixture(settings: Settings, kind: Decoder, act: str) -> tuple[Callable[[int], int], list[str]]:
    """Return what counts the parameters of experts, and their lines."""
    name = kind.experts if kind.experts in settings.config else "num_local_experts"
    width, count = settings.whole(kind.expert_width), settings.whole(name)
    active = settings.whole("num_experts_per_tok")
    settings.fixed("decoder_sparse_step", 1, 1)
    if settings.get("mlp_only_layers"):
        raise settings.error("mlp_only_layers", "layers without experts between those that have them are not written")
    lines = experts(width, count, active, act, "        ")
    return lambda channels: channels * count + count * 3 * channels * width, lines


def experts(width: int, count: int, active: int, act: str, indent: str) -> list[str]:
    """Write experts of which a few are chosen for each word."""
    return [
        f"{indent}- experts:",
        f"{indent}    - mul: [linear {width} nobias -> {act}, linear {width} nobias]",
        f"{indent}    - linear cin nobias",
        f"{indent}  count: {count}",
        f"{indent}  active: {active}",
    ]


def deepseek(settings: Settings) -> str:
    """Keys and values of latents that a word has one of, and experts of which some are always chosen."""
    third = settings.config["model_type"] == "deepseek_v3"
    settings.head = f"DeepseekV{3 if third else 2}ForCausalLM"
    settings.architecture(settings.head)
    channels, depth, heads = (
        settings.whole(name) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")
    )
    words, latent = settings.whole("vocab_size"), settings.whole("kv_lora_rank")
    key, rotary, value = (settings.whole(name) for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    width, small = settings.whole("intermediate_size"), settings.whole("moe_intermediate_size")
    count, active = settings.whole("n_routed_experts"), settings.whole("num_experts_per_tok")
    shared = settings.whole("n_shared_experts")
    rank = settings.get("q_lora_rank")
    rank = settings.whole("q_lora_rank") if rank is not None else 0
    dense = settings.get("first_k_dense_replace", 0)
    if type(dense) is not int or not 0 <= dense < depth:
        raise settings.error("first_k_dense_replace", f"expected a whole number below {depth} (got {str(dense)[:40]})")
    settings.fixed("moe_layer_freq", 1, 1)
    settings.fixed("attention_bias", False, False)
    tied = settings.flag("tie_word_embeddings", False)
    act = activation(settings, "hidden_act", "silu")
    settings.sequence(settings.whole("max_position_embeddings", 2048))
    queries = f"linear {rank} nobias -> rmsnorm -> " if rank else ""
    text = [
        "", "blocks:",
        "  mlp(width):",
        f"    - mul: [linear width nobias -> {act}, linear width nobias]",
        "    - linear cin nobias",
        "  attention_of_latents:",
        "    - as x",
        f"    - linear {latent + rotary} nobias -> as small",
        f"    - slice 0 {latent} -> rmsnorm -> as latents",
        "    - attend:",
        f"        queries: from x -> {queries}linear {heads * (key + rotary)} nobias",
        "        keys:",
        "          concat:",
        f"            - from latents -> linear {heads * key} nobias",
        f"            - from small -> slice {latent} end -> tile {heads}",
        f"        values: from latents -> linear {heads * value} nobias",
        f"      heads: {heads}",
        "      causal: true",
        f"      cache: {latent + rotary}",
        f"    - linear {channels} nobias",
    ]  # fmt: skip
    if dense:
        text += [
            "  dense:",
            "    - residual: rmsnorm -> attention_of_latents",
            f"    - residual: rmsnorm -> mlp {width}",
        ]
    text += [
        "  sparse:",
        "    - residual: rmsnorm -> attention_of_latents",
        "    - residual:",
        "        - rmsnorm",
        "        - add:",
        f"            - {{experts: mlp {small}, count: {count}, active: {active}}}",
        f"            - mlp {shared * small}",
    ]
    first, last = ends(channels, words, tied)
    text += ["", "net:", first, *([f"  - {dense}x dense"] if dense else []), f"  - {depth - dense}x sparse", last]
    asked = heads * (key + rotary)
    attention = (channels * rank + rank + rank * asked if rank else channels * asked) + channels * (latent + rotary)
    attention += latent + latent * heads * (key + value) + heads * value * channels
    sparse = channels * count + 3 * channels * small * (count + shared)
    each = attention + 2 * channels
    settings.expected = words * channels * (1 if tied else 2) + channels + depth * each
    settings.expected += dense * 3 * channels * width + (depth - dense) * sparse
    return f"input: {settings.input}\n" + "\n".join(text) + "\n"


def gpt2(settings: Settings) -> str:
    """A decoder whose classifier is the table of words."""
    settings.head = "GPT2LMHeadModel"
    settings.architecture("GPT2LMHeadModel", "GPT2Model")
    channels, heads = settings.whole("n_embd", 768), settings.whole("n_head", 12)
    if channels != 64 * heads:
        raise settings.error("n_head", f"heads have 64 channels here (got {heads} of {channels})")
    settings.fixed("n_inner", 4 * channels, 4 * channels)
    settings.fixed("tie_word_embeddings", True, True)
    length, words, depth = (
        settings.whole("n_positions", 1024),
        settings.whole("vocab_size", 50257),
        settings.whole("n_layer", 12),
    )
    settings.sequence(length)
    settings.expected = (words + length) * channels + depth * (12 * channels**2 + 13 * channels) + 2 * channels
    values: dict[str, Any] = {"channels": channels, "depth": depth, "vocabulary": words, "length": length}
    set_ = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"extends: gpt2_small\nset: {{{set_}}}\ninput: {settings.input}\n"


def t5(settings: Settings) -> str:
    """An encoder, and a decoder that looks at what it gives."""
    settings.head = "T5ForConditionalGeneration"
    settings.architecture(settings.head)
    channels, depth = settings.whole("d_model", 512), settings.whole("num_layers", 6)
    layers = settings.whole("num_decoder_layers", depth)
    heads, dim, width = settings.whole("num_heads", 8), settings.whole("d_kv", 64), settings.whole("d_ff", 2048)
    words, distances = settings.whole("vocab_size", 32128), settings.whole("relative_attention_num_buckets", 32)
    form = settings.one_of("feed_forward_proj", ("relu", "gated-gelu", "gated-silu"), "relu")
    settings.fixed("tie_word_embeddings", True, True)  # versions of transformers differ about false
    settings.sequence(512)
    inner = heads * dim
    gated = form.startswith("gated-")
    act = form.removeprefix("gated-")
    mlp = (
        f"mul: [linear {width} nobias -> {act}, linear {width} nobias]" if gated else f"linear {width} nobias -> {act}"
    )
    attend = f"attend: {{queries: linear {inner} nobias, keys: linear {inner} nobias, values: linear {inner} nobias}}"
    outside = (
        f"attend: {{queries: linear {inner} nobias, keys: from memory -> linear {inner} nobias, "
        f"values: from memory -> linear {inner} nobias}}"
    )
    itself = [
        "    - residual:",
        "        - rmsnorm",
        f"        - {attend}",
        f"          heads: {heads}",
        f"          position: {heads}*distances",
    ]
    text = [
        "input:", f"  source: 1 x {settings.length}", f"  target: 1 x {settings.length}", "", "blocks:",
        "  mlp:", "    - residual:", "        - rmsnorm", f"        - {mlp}", f"        - linear {channels} nobias",
        "  encoder(distances=0):                       # the first layer's values for distances are all layers'",
        *itself, f"        - linear {channels} nobias", "    - mlp",
        "  decoder(memory, distances=0):",
        *itself, "          causal: true", f"        - linear {channels} nobias",
        "    - residual:", "        - rmsnorm", f"        - {outside}", f"          heads: {heads}",
        f"        - linear {channels} nobias", "    - mlp",
        "", "net:",
        f"  - from source -> embed {words} {channels} share=words",
        f"  - {depth}x encoder first(distances={distances}) -> rmsnorm -> as memory",
        f"  - from target -> embed {words} {channels} share=words",
        f"  - {layers}x decoder memory first(distances={distances}) -> rmsnorm",
        f"  - linear {words} nobias share=words",
    ]  # fmt: skip
    pair, attention = (3 if gated else 2) * channels * width + channels, 4 * channels * inner + channels
    settings.expected = words * channels + 2 * heads * distances + 2 * channels
    settings.expected += depth * (attention + pair) + layers * (2 * attention + pair)
    return "\n".join(text) + "\n"


WRITERS: dict[str, Callable[[Settings], str]] = {
    **dict.fromkeys(DECODERS, decoder), "deepseek_v2": deepseek, "deepseek_v3": deepseek, "gpt2": gpt2, "t5": t5,
}  # fmt: skip
"""What writes the spec of each type."""
