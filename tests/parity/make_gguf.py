#!/usr/bin/python3
"""Makes the GGUF parity data: files of the `gguf` Python package, and what that package and transformers make of them.

Run by hand, in an environment with torch, transformers, safetensors and gguf:
    tests/parity/make_gguf.py [NAME...]       all of them, or the checkpoints whose names begin so
Writes into tests/parity/gguf/:
    blocks.gguf         one tensor of random blocks of each type T, and T.expected: its values by gguf's dequantize, F32
    NAME.gguf           the checkpoint of tests/parity/checkpoints/NAME as GGUF: the same model must have the same hash.
                        Each is read back with transformers, whose logits must be those of the folder.
    llama-mixed.gguf    a Llama with a tensor type of each kind that gguf can make, and llama-mixed.json: transformers' logits
    rope-llama3.gguf    a Llama with scaled positions, as converters write them
    split-*.gguf        llama-grouped in several files
"""
import json, os, sys

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "gguf")
os.makedirs(OUT, exist_ok=True)
random = np.random.default_rng(11)
torch.manual_seed(11)

SLOTS = {  # Hugging Face's name within a layer -> GGUF's
    "llama": {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
              "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
              "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
              "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.qkv_proj": "attn_qkv",
              "mlp.gate_up_proj": "ffn_up"},
    "olmo2": {"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm",
              "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"},
    "gemma2": {"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
               "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
               "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
               "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
               "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"},
    "gpt2": {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
             "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"},
    "gptneox": {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
                "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output",
                "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"},
}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
         "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm",
         "gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "embed_out": "output"}


def place(name, arch):
    """'model.layers.3.self_attn.q_proj.weight' -> 'blk.3.attn_q.weight'; None: not in the file"""
    stem, _, kind = name.rpartition(".")
    if stem in OUTER:
        return f"{OUTER[stem]}.{kind}"
    parts = stem.split(".")
    at = next(i for i, p in enumerate(parts) if p.isdigit())
    slots = SLOTS.get("gemma2" if arch == "gemma3" else arch, SLOTS["llama"])
    within = ".".join(parts[at + 1:])
    return f"blk.{parts[at]}.{slots[within]}.{kind}" if within in slots and kind in ("weight", "bias") else None


def order(name, data, arch, config):
    """llama.cpp's converter: interleaved halves of a head, grouped q/k/v, matrices (out, in)"""
    heads, kv = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if arch in ("llama", "granite", "smollm3") and ("attn_q." in name or "attn_k." in name):
        n = heads if "attn_q." in name else kv
        return data.reshape(n, 2, data.shape[0] // n // 2, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)
    if arch.startswith("gemma") and name.endswith("norm.weight"):
        return data + 1
    if arch == "gptneox" and "attn_qkv." in name:
        width = data.shape[0] // heads // 3
        return data.reshape(heads, 3, width, *data.shape[1:]).swapaxes(0, 1).reshape(data.shape)
    if arch == "gpt2" and data.ndim == 2 and "embd" not in name and name != "output.weight":
        return data.T
    return data


def metadata(w, arch, c):
    w.add_context_length(c.get("n_positions") or c["max_position_embeddings"])
    w.add_embedding_length(c.get("n_embd") or c["hidden_size"])
    w.add_block_count(c.get("n_layer") or c["num_hidden_layers"])
    w.add_head_count(c.get("n_head") or c["num_attention_heads"])
    inner = c.get("n_inner") or c.get("intermediate_size") or 4 * c["n_embd"]
    w.add_feed_forward_length(inner)
    if arch == "gpt2":
        w.add_layer_norm_eps(c["layer_norm_epsilon"])
        return
    if arch == "gptneox":
        head = c["hidden_size"] // c["num_attention_heads"]
        rope = c.get("rope_parameters") or {}
        pct = c.get("rotary_pct", rope.get("partial_rotary_factor", 0.25))
        w.add_rope_dimension_count(int(pct * head))
        w.add_rope_freq_base(float(c.get("rotary_emb_base") or rope.get("rope_theta") or 10000))
        w.add_parallel_residual(c["use_parallel_residual"])
        w.add_layer_norm_eps(c["layer_norm_eps"])
        return
    w.add_head_count_kv(c["num_key_value_heads"])
    if arch == "stablelm":
        w.add_layer_norm_eps(c["layer_norm_eps"])
        w.add_parallel_residual(c["use_parallel_residual"])
    else:
        w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    if arch == "granite":
        w.add_attention_scale(c["attention_multiplier"])
        w.add_embedding_scale(c["embedding_multiplier"])
        w.add_residual_scale(c["residual_multiplier"])
        w.add_logit_scale(c["logits_scaling"])
    if arch in ("gemma2", "gemma3"):
        w.add_sliding_window(c["sliding_window"])
        if c["final_logit_softcapping"]:
            w.add_final_logit_softcapping(c["final_logit_softcapping"])
        if c["attn_logit_softcapping"]:
            w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
    if arch == "phi3" and (c.get("rope_parameters") or {}).get("rope_type") == "longrope":
        scale = c["max_position_embeddings"] / c["original_max_position_embeddings"]
        w.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(scale) / np.log(c["original_max_position_embeddings"]))))
    if arch == "phi3":
        w.add_sliding_window(c["sliding_window"] or 0)
        w.add_rope_scaling_orig_ctx_len(c["original_max_position_embeddings"])
    head = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    if head != c["hidden_size"] // c["num_attention_heads"]:
        w.add_key_length(head)
        w.add_value_length(head)
    rope = c.get("rope_scaling") or c.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    w.add_rope_dimension_count(int(rope.get("partial_rotary_factor", 1) * head))
    w.add_vocab_size(c["vocab_size"])
    w.add_rope_freq_base(float(rope.get("rope_theta") or c.get("rope_theta")))
    kind = rope.get("rope_type") or rope.get("type")
    if kind == "linear" and "rope_scaling" in c:
        w.add_float32(f"{arch}.rope.scale_linear", rope["factor"])  # its first key, and no type
    elif kind in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(kind))
        w.add_rope_scaling_factor(rope["factor"])
        if kind == "yarn":
            w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


ARCHS = {"LlamaForCausalLM": "llama", "MistralForCausalLM": "llama", "GPT2LMHeadModel": "gpt2",
         "Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3", "GPTNeoXForCausalLM": "gptneox",
         "Phi3ForCausalLM": "phi3", "GraniteForCausalLM": "granite", "Olmo2ForCausalLM": "olmo2",
         "SmolLM3ForCausalLM": "smollm3", "StableLmForCausalLM": "stablelm",
         "GemmaForCausalLM": "gemma", "Gemma2ForCausalLM": "gemma2", "Gemma3ForCausalLM": "gemma3"}


def write(path, config, tensors, types, extra=None, **writer):
    """types: name and array -> type of the tensor in the file"""
    arch = ARCHS[config["architectures"][0]]
    w = gguf.GGUFWriter(path, arch, **writer)
    metadata(w, arch, config)
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    for hf, tensor in tensors.items():
        name = place(hf, arch)
        if name is None:
            continue
        data = np.ascontiguousarray(order(name, tensor.float().numpy(), arch, config))
        kind = types(name, data)
        w.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
    for name, data in (extra or {}).items():
        w.add_tensor(name, data, raw_dtype=T.F32)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def logits(model, sequence):
    with torch.no_grad():
        return model.eval()(torch.tensor([sequence])).logits[0]


def blocks():
    path = os.path.join(OUT, "blocks.gguf")
    w = gguf.GGUFWriter(path, "llama")
    halves = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2],
              T.Q6_K: [208], T.F16: range(0, 64, 2), T.BF16: [], T.F32: []}
    for kind, places in halves.items():
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        if size <= 4:
            elements, size = elements * 32, size * 32
        count = 512 // elements * 2
        raw = random.integers(0, 256, (count, size), dtype=np.uint8)
        for at in places:  # numbers of every size, subnormal and negative ones too, none of them infinite
            half = random.integers(0, 0x7c00, count).astype(np.uint16) | (random.integers(0, 2, count) << 15).astype(np.uint16)
            raw[:, at:at + 2] = half.astype("<u2").view(np.uint8).reshape(count, 2)
        if kind in (T.F32, T.BF16):
            width = 4 if kind == T.F32 else 2
            raw[:, width - 1::width] &= 0xbf  # no infinities
        raw = raw.reshape(2, -1)
        values = gguf.quants.dequantize(raw, kind) if kind != T.F32 else raw.view(np.float32)
        w.add_tensor(kind.name, raw, raw_dtype=kind)
        w.add_tensor(kind.name + ".expected", values.astype(np.float32), raw_dtype=T.F32)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


OTHER = {  # why a checkpoint has no GGUF file
    "gemma": "norms that lose bits by adding 1", "tied-other-head-gemma": "always tied", "gemma2-caps": "another scale",
    "gemma3-two-angles": "other windows", "rope-gemma3-older": "other windows", "rope-gemma3-beside": "other windows",
    "rope-gemma3-flat": "other windows",
    "granite-biases-bf16": "biases", "olmo2-biases-bf16": "biases", "smollm3-window": "windows, biases",
    "rope-yarn-options": "YaRN's options", "rope-yarn-mscale": "YaRN's options", "rope-yarn-no-context": "nothing to scale",
    "rope-yarn-no-factor": "nothing new", "rope-longrope": "LongRoPE", "rope-longrope-factors": "LongRoPE",
    "rope-theta-in-scaling": "nothing new", "rope-llama3-context-outside": "nothing new", "rope-empty-scaling": "nothing new",
    "rope-neox-scaling": "nothing new", "architectures-base-model": "nothing new", "architectures-null": "nothing new",
    "gpt2-untied": "another activation", "tied-other-head-qwen2": "windows", "mistral-window": "windows", "qwen2-window": "windows",
    "qwen3-biases-bf16": "biases", "neox-in-sequence": "another activation, no biases"}


def same_model(name):
    if name in OTHER:
        return
    folder = os.path.join(HERE, "checkpoints", name)
    config = json.load(open(os.path.join(folder, "config.json")))
    if config["architectures"][0] not in ARCHS or not os.path.exists(os.path.join(folder, "model.safetensors")):
        return
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    if name.startswith("tied-only-head-") or name.startswith("tied-equal-head-"):
        return  # a converter writes the embedding alone
    path = os.path.join(OUT, name + ".gguf")
    kind = {torch.float32: T.F32, torch.float16: T.F16, torch.bfloat16: T.BF16}[next(iter(tensors.values())).dtype]
    rope, extra = config.get("rope_parameters") or {}, None
    if rope.get("rope_type") == "llama3":
        extra = rope_factors(rope["rope_theta"], config["head_dim"], rope["factor"], rope["low_freq_factor"],
                             rope["high_freq_factor"], rope["original_max_position_embeddings"])
    if rope.get("rope_type") == "longrope":
        extra = {f"rope_factors_{kind}.weight": np.array(rope[f"{kind}_factor"], dtype=np.float32) for kind in ("long", "short")}
    write(path, config, tensors, lambda name, data: T.F32 if data.ndim == 1 and (kind == T.F16 or "emma" in config["architectures"][0]) else kind, extra)
    if config["architectures"][0] == "GPTNeoXForCausalLM":
        return  # transformers does not read these
    sequence = [1, 5, 2, 9, 3]
    there = logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), sequence)
    try:
        back = logits(AutoModelForCausalLM.from_pretrained(OUT, gguf_file=name + ".gguf", dtype=torch.float32,
                                                           config=AutoConfig.from_pretrained(folder)), sequence)
    except (ValueError, RuntimeError, KeyError) as e:
        print(name, "transformers does not read it:", str(e)[:200])
        return
    print(name, "largest difference of logits in transformers", (there - back).abs().max().item())


def mixed():
    torch.manual_seed(12)
    kinds = {"token_embd": T.Q8_0, "attn_q": T.Q4_0, "attn_k": T.Q4_1, "attn_v": T.Q5_0, "attn_output": T.Q5_1,
             "ffn_gate": T.F16, "ffn_up": T.BF16, "ffn_down": T.Q8_0}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=53, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=40,
                                         tie_word_embeddings=True, bos_token_id=0, eos_token_id=0))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2 if p.dim() > 1 else 0.5)
    config = model.config.to_dict()
    config["architectures"] = ["LlamaForCausalLM"]
    tensors = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    path = os.path.join(OUT, "llama-mixed.gguf")
    write(path, config, tensors,
          lambda name, data: T.F32 if data.ndim == 1 else next(k for n, k in kinds.items() if n in name))
    back = AutoModelForCausalLM.from_pretrained(OUT, gguf_file="llama-mixed.gguf", dtype=torch.float32)
    sequences = [torch.randint(0, 53, (n,)).tolist() for n in (2, 3, 21, 40)]
    losses, last = [], []
    for s in sequences:
        out = logits(back, s).double()
        losses.append(torch.nn.functional.cross_entropy(out[:-1], torch.tensor(s[1:]), reduction="sum").item())
        last.append([round(v, 6) for v in out[-1].tolist()])
    with open(os.path.join(OUT, "llama-mixed.json"), "w") as f:
        json.dump({"sequences": sequences, "losses": losses, "logits": last}, f)


def rope_factors(base, dim, factor, low, high, context):
    """The tensor of factors that llama.cpp's converter makes of Llama 3's parameters."""
    factors = []
    for freq in 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim)):
        wave = 2 * np.pi / freq
        if wave < context / high:
            factors.append(1)
        elif wave > context / low:
            factors.append(factor)
        else:
            smooth = (context / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return {"rope_freqs.weight": np.array(factors, dtype=np.float32)}


def split():
    folder = os.path.join(HERE, "checkpoints", "llama-grouped")
    config = json.load(open(os.path.join(folder, "config.json")))
    write(os.path.join(OUT, "split.gguf"), config, load_file(os.path.join(folder, "model.safetensors")), lambda *_: T.F32,
          split_max_tensors=9)


def rope():
    torch.manual_seed(13)
    base, dim = 500000.0, 16
    config = {"architectures": ["LlamaForCausalLM"], "vocab_size": 11, "hidden_size": dim, "intermediate_size": 8,
              "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
              "max_position_embeddings": 64, "rope_theta": base}
    model = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in config.items() if k != "architectures"}))
    write(os.path.join(OUT, "rope-llama3.gguf"), config, dict(model.state_dict()), lambda *_: T.F32,
          rope_factors(base, dim, 32.0, 1.0, 4.0, 8192))


for name in sorted(os.listdir(os.path.join(HERE, "checkpoints"))):
    if len(sys.argv) == 1 or any(name.startswith(a) for a in sys.argv[1:]):
        same_model(name)
if len(sys.argv) == 1:
    blocks()
    mixed()
    rope()
if len(sys.argv) == 1 or "split" in sys.argv:
    split()
