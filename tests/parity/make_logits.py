#!/usr/bin/python3
"""Makes the parity data of the model layer: small random checkpoints with awkward shapes, and what Hugging Face
transformers computes with them.

Run by hand, in an environment with torch, transformers and safetensors (versions are written into each file):
    tests/parity/make_logits.py [NAME...]          all of them, or those whose names begin so
Writes tests/parity/checkpoints/NAME/ (config.json, model.safetensors, expected.json) and tests/parity/kjv-1m.json.
expected.json: {"sequences": [[ids]], "losses": [sum of nats of each], "logits": [[last position's logits] of each]}.
"""
import json, os, sys, zlib

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, GemmaConfig,
                          GemmaForCausalLM, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig,
                          LlamaForCausalLM, MistralConfig, MistralForCausalLM, OPTConfig, OPTForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM, GraniteConfig, GraniteForCausalLM, Olmo2Config,
                          Olmo2ForCausalLM, Phi3Config, Phi3ForCausalLM, SmolLM3Config, SmolLM3ForCausalLM, StableLmConfig,
                          StableLmForCausalLM)

HERE = os.path.dirname(os.path.abspath(__file__))


def expect(model, vocabulary, context):
    model = model.float().eval()
    sequences = [torch.randint(0, vocabulary, (n,)).tolist() for n in (2, 3, context // 2 + 1, context)]
    losses, logits = [], []
    with torch.no_grad():
        for s in sequences:
            out = model(torch.tensor([s])).logits[0].double()
            nll = torch.nn.functional.cross_entropy(out[:-1], torch.tensor(s[1:]), reduction="sum")
            losses.append(nll.item())
            logits.append([round(v, 6) for v in out[-1].tolist()])
    return {"torch": torch.__version__, "transformers": transformers.__version__, "sequences": sequences,
            "losses": losses, "logits": logits}


def write(name, model, dtype, head="lm_head.weight"):
    folder = os.path.join(HERE, "checkpoints", name)
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(zlib.crc32(name.encode()))  # so that each checkpoint stays as it is when others come
    for p in model.parameters():  # larger than initialisation, so that nothing is nearly zero
        torch.nn.init.normal_(p, std=0.2 if p.dim() > 1 else 0.5)
        p.data = p.data.to(dtype)  # not the buffers: transformers keeps the angles' frequencies in float32
    tensors = {k.replace("lm_head.weight", head): v.contiguous().clone() for k, v in model.state_dict().items()
               if not (k == "lm_head.weight" and model.config.tie_word_embeddings)}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    config = model.config.to_dict()
    config["architectures"] = [type(model).__name__]
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=1, default=str, sort_keys=True)
    context = config.get("n_positions") or config.get("max_position_embeddings")
    with open(os.path.join(folder, "expected.json"), "w") as f:
        json.dump(expect(model, config["vocab_size"], context), f)


def wanted(name):
    return len(sys.argv) == 1 or any(name.startswith(a) for a in sys.argv[1:])


def make(name, dtype, model, config, head="lm_head.weight", **options):
    if not wanted(name):
        return
    options = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, **options}
    options.setdefault("attn_implementation", "eager")
    write(name, model(config(**options)), dtype, head)


F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
SMALL = dict(vocab_size=89, hidden_size=24, intermediate_size=27, num_hidden_layers=3, num_attention_heads=6,
             num_key_value_heads=2, head_dim=10, max_position_embeddings=70)
QWEN2 = {k: v for k, v in SMALL.items() if k != "head_dim"}

make("gpt2-odd-heads", F32, GPT2LMHeadModel, GPT2Config, vocab_size=101, n_positions=70, n_embd=15, n_layer=2, n_head=3)
make("gpt2-inner-bf16", BF16, GPT2LMHeadModel, GPT2Config, vocab_size=67, n_positions=17, n_embd=14, n_layer=3, n_head=2,
     n_inner=33)
make("gpt2-untied", F32, GPT2LMHeadModel, GPT2Config, vocab_size=51, n_positions=33, n_embd=12, n_layer=1, n_head=3,
     tie_word_embeddings=False, activation_function="relu")
make("opt-before", F32, OPTForCausalLM, OPTConfig, vocab_size=83, hidden_size=21, ffn_dim=34, num_hidden_layers=2,
     num_attention_heads=3, max_position_embeddings=70, word_embed_proj_dim=21)
make("opt-350m-like-f16", F16, OPTForCausalLM, OPTConfig, vocab_size=71, hidden_size=24, ffn_dim=31, num_hidden_layers=3,
     num_attention_heads=3, max_position_embeddings=40, word_embed_proj_dim=10, do_layer_norm_before=False)
make("opt-wide-embedding", BF16, OPTForCausalLM, OPTConfig, vocab_size=61, hidden_size=12, ffn_dim=19, num_hidden_layers=2,
     num_attention_heads=2, max_position_embeddings=21, word_embed_proj_dim=18, enable_bias=False,
     tie_word_embeddings=False)
make("neox-partial", F32, GPTNeoXForCausalLM, GPTNeoXConfig, vocab_size=79, hidden_size=30, intermediate_size=43,
     num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=70,
     head="embed_out.weight",  # its name in published files; newer ones say lm_head
     rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.4})
make("neox-in-sequence", BF16, GPTNeoXForCausalLM, GPTNeoXConfig, vocab_size=53, hidden_size=20, intermediate_size=31,
     num_hidden_layers=2, num_attention_heads=5, max_position_embeddings=25, use_parallel_residual=False,
     attention_bias=False, hidden_act="gelu_new",
     rope_parameters={"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 1.0})
make("llama-grouped", F32, LlamaForCausalLM, LlamaConfig, vocab_size=97, hidden_size=30, intermediate_size=41,
     num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1, max_position_embeddings=80,
     tie_word_embeddings=False)
make("llama-tied-f16", F16, LlamaForCausalLM, LlamaConfig, vocab_size=113, hidden_size=24, intermediate_size=20,
     num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=3, max_position_embeddings=19,
     tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 500.0})
make("llama3-rope-biases", F32, LlamaForCausalLM, LlamaConfig, **SMALL, attention_bias=True, mlp_bias=True,
     rope_parameters={"rope_type": "llama3", "rope_theta": 60.0, "factor": 4.0, "low_freq_factor": 1.0,
                      "high_freq_factor": 4.0, "original_max_position_embeddings": 24})
make("llama-rope-linear", BF16, LlamaForCausalLM, LlamaConfig, **SMALL,
     rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5})
make("mistral-window", F32, MistralForCausalLM, MistralConfig, **SMALL, sliding_window=9)
make("mistral-no-window", F16, MistralForCausalLM, MistralConfig, **SMALL, sliding_window=None)
make("qwen2-window", F32, Qwen2ForCausalLM, Qwen2Config, **QWEN2, use_sliding_window=True,
     sliding_window=7, max_window_layers=1, tie_word_embeddings=True)
make("qwen2-untied-bf16", BF16, Qwen2ForCausalLM, Qwen2Config, **QWEN2)
make("qwen3-norms", F32, Qwen3ForCausalLM, Qwen3Config, **SMALL, tie_word_embeddings=True)
make("qwen3-biases-bf16", BF16, Qwen3ForCausalLM, Qwen3Config, **SMALL, attention_bias=True)
make("gemma", F32, GemmaForCausalLM, GemmaConfig, **SMALL, hidden_act="gelu_pytorch_tanh")
make("gemma2-caps", F32, Gemma2ForCausalLM, Gemma2Config, **SMALL, sliding_window=8, query_pre_attn_scalar=13,
     attn_logit_softcapping=3.0, final_logit_softcapping=5.0)
make("gemma3-two-angles", F32, Gemma3ForCausalLM, Gemma3TextConfig, **SMALL, sliding_window=11, query_pre_attn_scalar=17,
     layer_types=["sliding_attention", "full_attention", "sliding_attention"],
     rope_parameters={"full_attention": {"rope_type": "linear", "rope_theta": 5000.0, "factor": 8.0},
                      "sliding_attention": {"rope_type": "default", "rope_theta": 90.0}})


make("gemma-bf16", BF16, GemmaForCausalLM, GemmaConfig, **SMALL, hidden_act="gelu_pytorch_tanh")
make("gemma2-bf16", BF16, Gemma2ForCausalLM, Gemma2Config, **SMALL, sliding_window=8, query_pre_attn_scalar=10,
     attn_logit_softcapping=3.0, final_logit_softcapping=5.0)
make("gemma3-bf16", BF16, Gemma3ForCausalLM, Gemma3TextConfig, **{**SMALL, "num_hidden_layers": 7}, sliding_window=11,
     query_pre_attn_scalar=10,
     rope_parameters={"full_attention": {"rope_type": "linear", "rope_theta": 5000.0, "factor": 8.0},
                      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})
make("phi3-window", F32, Phi3ForCausalLM, Phi3Config, **QWEN2, sliding_window=9)
make("phi4-partial-tied-bf16", BF16, Phi3ForCausalLM, Phi3Config, **{**QWEN2, "hidden_size": 48}, partial_rotary_factor=0.75,
     tie_word_embeddings=True, original_max_position_embeddings=24,
     rope_parameters={"rope_type": "longrope", "rope_theta": 900.0, "partial_rotary_factor": 0.75,
                      "short_factor": [1.0, 1.2, 1.9], "long_factor": [1.1, 2.5, 8.0]})
make("granite-multipliers", F32, GraniteForCausalLM, GraniteConfig, **QWEN2, embedding_multiplier=7.0, logits_scaling=3.5,
     residual_multiplier=0.22, attention_multiplier=0.3, tie_word_embeddings=True)
make("granite-biases-bf16", BF16, GraniteForCausalLM, GraniteConfig, **QWEN2, attention_bias=True, mlp_bias=True)
make("olmo2", F32, Olmo2ForCausalLM, Olmo2Config, **QWEN2)
make("olmo2-biases-bf16", BF16, Olmo2ForCausalLM, Olmo2Config, **{**QWEN2, "num_key_value_heads": 6}, attention_bias=True,
     tie_word_embeddings=True)
make("smollm3", F32, SmolLM3ForCausalLM, SmolLM3Config, **{**QWEN2, "num_hidden_layers": 5})
make("smollm3-window", BF16, SmolLM3ForCausalLM, SmolLM3Config, **QWEN2, no_rope_layers=[1, 0, 1], use_sliding_window=True,
     sliding_window=11, attention_bias=True, mlp_bias=True, tie_word_embeddings=False)
make("stablelm", F32, StableLmForCausalLM, StableLmConfig, **{**QWEN2, "hidden_size": 48}, use_qkv_bias=True)
make("stablelm-half-bf16", BF16, StableLmForCausalLM, StableLmConfig, **QWEN2, tie_word_embeddings=True,
     rope_parameters={"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.5})


def rewrite(name, base, tensors=None, config=None):
    """The checkpoint `base` with its tensors and its config.json changed, and what transformers makes of the files."""
    if not wanted(name):
        return
    folder, source = os.path.join(HERE, "checkpoints", name), os.path.join(HERE, "checkpoints", base)
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(zlib.crc32(name.encode()))
    now = load_file(os.path.join(source, "model.safetensors"))
    now = tensors(now) if tensors else now
    save_file({k: v.contiguous().clone() for k, v in now.items()}, os.path.join(folder, "model.safetensors"),
              metadata={"format": "pt"})
    read = json.load(open(os.path.join(source, "config.json")))
    read = config(read) if config else read
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(read, f, indent=1, sort_keys=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    context = read.get("n_positions") or read.get("max_position_embeddings")
    with open(os.path.join(folder, "expected.json"), "w") as f:
        json.dump(expect(model, read["vocab_size"], context), f)


EMBEDDINGS = ("model.embed_tokens.weight", "transformer.wte.weight", "model.decoder.embed_tokens.weight",
              "gpt_neox.embed_in.weight")


def embedding(tensors):
    return next(k for k in tensors if k in EMBEDDINGS)


def other_head(tensors, head="lm_head.weight"):
    return {**tensors, head: torch.randn_like(tensors[embedding(tensors)].float()).to(tensors[embedding(tensors)].dtype) * 0.2}


def equal_head(tensors):
    return {**tensors, "lm_head.weight": tensors[embedding(tensors)]}


def only_head(tensors):
    name = embedding(tensors)
    return {("lm_head.weight" if k == name else k): v for k, v in tensors.items()}


# Tied by configuration, with another head in the file, the same, or the head alone.
for of in ("llama-tied-f16", "gpt2-inner-bf16", "qwen2-window", "qwen3-norms", "opt-before", "gemma"):
    rewrite("tied-other-head-" + of.split("-")[0], of, other_head)
    rewrite("tied-only-head-" + of.split("-")[0], of, only_head)
# model_type alone decides.
rewrite("architectures-null", "llama-tied-f16", config=lambda c: {**c, "architectures": None})
rewrite("architectures-base-model", "qwen3-norms", config=lambda c: {**c, "architectures": ["Qwen3Model"]})
rewrite("tied-equal-head-llama", "llama-tied-f16", equal_head)
# RoPE: which of two dictionaries counts, where its base stands, and the types of scaling.
DROPPED = ("rope_parameters", "rope_scaling", "rope_theta", "rope_local_base_freq", "rotary_emb_base", "rotary_pct")


def rope(name, base="llama-grouped", **keys):
    rewrite("rope-" + name, base, config=lambda c: {**{k: v for k, v in c.items() if k not in DROPPED}, **keys})


LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 20}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.3, 1.9], "long_factor": [1.1, 3.0, 7.5],
        "original_max_position_embeddings": 24}
rope("scaling-beside-parameters", rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
     rope_scaling={"type": "linear", "factor": 4.0}, rope_theta=300.0)
rope("empty-scaling", rope_parameters=LINEAR, rope_scaling={}, rope_theta=77.0)
rope("theta-in-scaling", rope_theta=500.0,
     rope_scaling={"rope_type": "llama3", "rope_theta": 60.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 24})
rope("llama3-context-outside", rope_theta=60.0, original_max_position_embeddings=40,
     rope_scaling={"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 24})
rope("yarn", rope_theta=200.0, rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 20})
rope("yarn-options", rope_theta=900.0, rope_scaling={**YARN, "attention_factor": 1.3, "beta_fast": 6, "beta_slow": 0.5,
                                                    "truncate": False})
rope("yarn-mscale", rope_parameters={**YARN, "rope_theta": 50.0, "mscale": 0.7, "mscale_all_dim": 0.4})
rope("yarn-no-context", rope_theta=200.0, rope_scaling={"rope_type": "yarn", "factor": 2.0})
rope("yarn-no-factor", rope_theta=200.0, rope_scaling={**YARN, "factor": None})
rope("dynamic", rope_theta=200.0, rope_scaling={"type": "dynamic", "factor": 3.0})
rope("longrope", rope_theta=200.0, rope_scaling=LONG)
rope("longrope-factors", rope_theta=200.0, rope_scaling={**LONG, "attention_factor": 0.8, "factor": 9.0},
     original_max_position_embeddings=60)
rope("neox-scaling", "neox-partial", rotary_pct=0.6, rotary_emb_base=400, rope_scaling={"type": "linear", "factor": 2.0})
rope("gemma3-older", "gemma3-two-angles", rope_theta=3000.0, rope_local_base_freq=70.0,
     rope_scaling={"rope_type": "linear", "factor": 8.0})
rope("gemma3-beside", "gemma3-two-angles", rope_scaling={"rope_type": "linear", "factor": 8.0, "rope_theta": 400.0},
     rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                      "sliding_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 90.0}})
rope("gemma3-flat", "gemma3-two-angles", rope_theta=3000.0, rope_parameters=LINEAR)
if not wanted("kjv-1m"):
    sys.exit()
torch.manual_seed(7)
shipped = os.path.join(HERE, "..", "..", "examples", "kjv-1m")
with open(os.path.join(HERE, "kjv-1m.json"), "w") as f:
    json.dump(expect(GPT2LMHeadModel.from_pretrained(shipped), 1024, 128), f)
