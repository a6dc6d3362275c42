#!/usr/bin/python3
"""Makes the parity data of the model layer: small random checkpoints with awkward shapes, and what Hugging Face
transformers computes with them.

Run by hand, in an environment with torch, transformers and safetensors (versions are written into each file):
    tests/parity/make_logits.py
Writes tests/parity/checkpoints/NAME/ (config.json, model.safetensors, expected.json) and tests/parity/kjv-1m.json.
expected.json: {"sequences": [[ids]], "losses": [sum of nats of each], "logits": [[last position's logits] of each]}.
"""
import json, os, sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(7)


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


def write(name, model, dtype):
    folder = os.path.join(HERE, "checkpoints", name)
    os.makedirs(folder, exist_ok=True)
    for p in model.parameters():  # larger than initialisation, so that nothing is nearly zero
        torch.nn.init.normal_(p, std=0.2 if p.dim() > 1 else 0.5)
    model = model.to(dtype)
    tensors = {k: v.contiguous().clone() for k, v in model.state_dict().items()
               if not (k == "lm_head.weight" and model.config.tie_word_embeddings)}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    config = model.config.to_dict()
    config["architectures"] = [type(model).__name__]
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=1, default=str, sort_keys=True)
    context = config.get("n_positions") or config.get("max_position_embeddings")
    with open(os.path.join(folder, "expected.json"), "w") as f:
        json.dump(expect(model, config["vocab_size"], context), f)


def gpt2(name, dtype, **options):
    write(name, GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0, **options)), dtype)


def llama(name, dtype, **options):
    write(name, LlamaForCausalLM(LlamaConfig(bos_token_id=0, eos_token_id=0, **options)), dtype)


gpt2("gpt2-odd-heads", torch.float32, vocab_size=101, n_positions=70, n_embd=15, n_layer=2, n_head=3)
gpt2("gpt2-inner-bf16", torch.bfloat16, vocab_size=67, n_positions=17, n_embd=14, n_layer=3, n_head=2, n_inner=33)
llama("llama-grouped", torch.float32, vocab_size=97, hidden_size=30, intermediate_size=41, num_hidden_layers=2,
      num_attention_heads=5, num_key_value_heads=1, max_position_embeddings=80, tie_word_embeddings=False)
llama("llama-tied-f16", torch.float16, vocab_size=113, hidden_size=24, intermediate_size=20, num_hidden_layers=2,
      num_attention_heads=6, num_key_value_heads=3, max_position_embeddings=19, tie_word_embeddings=True, rope_theta=500.0)
shipped = os.path.join(HERE, "..", "..", "examples", "kjv-1m")
with open(os.path.join(HERE, "kjv-1m.json"), "w") as f:
    json.dump(expect(GPT2LMHeadModel.from_pretrained(shipped), 1024, 128), f)
