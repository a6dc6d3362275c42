#!/usr/bin/python3
"""Makes tests/parity/folders.json: what AutoTokenizer makes of texts in folders whose tokens stand outside tokenizer.json.

Run by hand, in an environment with transformers (5.24.0 made the kept file) and tokenizers:
    tests/parity/make_folders.py
Each case is the tokenizer.json of examples/kjv-1m, with what replaces some of its keys, and other files of the folder;
the ids are those of TEXT. The test writes the same folder and expects the same ids.
"""
import json, os, shutil, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoTokenizer, logging

logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLE = os.path.join(HERE, "../../examples/kjv-1m/tokenizer.json")
TEXT = "In <a> the beginning<b> God <|endoftext|> created<c>the <d> heaven and<e>"
FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
END = "<|endoftext|>"


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False,
            "special": True, **flags}


def added(number, content, **flags):
    return {"id": number, **token(content, **flags)}


def config(**keys):
    return {"tokenizer_config.json": {**FAST, **keys}}


KEPT = [added(0, END), added(1024, "<a>", special=False, normalized=True)]
# name: (keys of tokenizer.json that are replaced, the other files)
CASES = {
    "no configuration": ({}, {}),
    "nothing in it": ({}, config()),
    "null everywhere": ({}, config(eos_token=None, additional_special_tokens=None, extra_special_tokens=None)),
    "decoder": ({}, config(added_tokens_decoder={"1024": token("<a>"), "1025": token("<b>")})),
    "decoder by id": ({}, config(added_tokens_decoder={"1025": token("<a>"), "1024": token("<b>")})),
    "decoder with ten before nine": ({}, config(added_tokens_decoder={"1030": token("<a>"), "999": token("<b>")})),
    "decoder with a gap": ({}, config(added_tokens_decoder={"2000": token("<a>"), "1030": token("<b>")})),
    "decoder with flags": ({}, config(added_tokens_decoder={
        "1024": token("<a>", lstrip=True), "1025": token("<b>", rstrip=True), "1026": token("<c>", special=False),
        "1027": token("<d>", normalized=True, special=False)})),
    "decoder changes a known one": ({}, config(added_tokens_decoder={"0": token(END, lstrip=True, rstrip=True)})),
    "decoder and a named one": ({}, config(added_tokens_decoder={"1024": token("<a>", special=False)}, eos_token="<a>",
                                           pad_token="<b>")),
    "decoder hides the old files": ({}, {**config(added_tokens_decoder={"1024": token("<a>")}),
                                         "special_tokens_map.json": {"eos_token": "<b>"},
                                         "added_tokens.json": {"<c>": 1024}}),
    "empty decoder hides them too": ({}, {**config(added_tokens_decoder={}),
                                          "special_tokens_map.json": {"eos_token": "<b>"}}),
    "named": ({}, config(mask_token="<a>", eos_token="<b>", pad_token="<c>", bos_token=END)),
    "named objects": ({}, config(eos_token={"__type": "AddedToken", **token("<a>", lstrip=True)},
                                 unk_token={"__type": "AddedToken", **token("<b>", special=False)})),
    "named of a model": ({}, config(image_token="<b>", eos_token="<a>", add_prefix_token=False, zz_token="<d>")),
    "additional": ({}, config(additional_special_tokens=["<b>", "<a>"])),
    "additional that are known": ({}, config(additional_special_tokens=[END, "the", "<a>"])),
    "extra": ({}, config(extra_special_tokens=["<b>", "<a>"])),
    "extra before additional": ({}, config(extra_special_tokens=["<b>"], additional_special_tokens=["<a>"])),
    "empty extra and additional": ({}, config(extra_special_tokens=[], additional_special_tokens=["<a>"])),
    "extra by name": ({}, config(extra_special_tokens={"image_token": "<b>", "other": "<a>"})),
    "added_tokens.json": ({}, {**config(), "added_tokens.json": {"<b>": 1024, "<a>": 1025}}),
    "added_tokens.json, special": ({}, {**config(eos_token="<a>", additional_special_tokens=["<b>"]),
                                        "added_tokens.json": {"<b>": 1024, "<a>": 1025, "<c>": 1026}}),
    "added_tokens.json, id taken": ({}, {**config(), "added_tokens.json": {"<b>": 0, "<a>": 1025}}),
    "special_tokens_map.json": ({}, {**config(), "special_tokens_map.json": {
        "eos_token": "<a>", "additional_special_tokens": ["<b>", "<c>"]}}),
    "the map before the configuration": ({}, {**config(eos_token="<a>"), "special_tokens_map.json": {"eos_token": "<b>"}}),
    "objects in the map": ({}, {**config(), "special_tokens_map.json": {"eos_token": token("<a>", lstrip=True)}}),
    "named of a model in the map": ({}, {**config(image_token="<c>", zz_token="<d>"), "special_tokens_map.json": {
        "image_token": "<b>", "aa_token": "<a>", "cls_token": "<e>"}}),
    "lists in both": ({}, {**config(additional_special_tokens=["<b>"]), "special_tokens_map.json": {
        "additional_special_tokens": ["<a>"], "extra_special_tokens": ["<c>"]}}),
    "null in the map": ({}, {**config(eos_token="<a>"), "special_tokens_map.json": {"eos_token": None}}),
    "all old files": ({}, {**config(pad_token="<e>"), "special_tokens_map.json": {"eos_token": "<a>"},
                           "added_tokens.json": {"<c>": 1024, "<d>": 1025}}),
    "tokenizer.json has some": ({"added_tokens": KEPT}, config(added_tokens_decoder={
        "0": token(END), "1024": token("<a>", special=False, normalized=True), "1025": token("<b>")})),
    "tokenizer.json has it with other flags": ({"added_tokens": KEPT}, config(added_tokens_decoder={
        "1024": token("<a>", rstrip=True)})),
    "tokenizer.json and old files": ({"added_tokens": KEPT}, {**config(eos_token="<b>"),
                                                              "added_tokens.json": {"<a>": 1024, "<c>": 1026}}),
    "add_bos_token beside a post_processor": ({}, config(add_bos_token=True, bos_token=END)),
    "add_eos_token and a new eos_token": ({}, config(add_eos_token=True, eos_token="<a>")),
    "no post_processor": ({"post_processor": None}, config(eos_token="<a>")),
    "no post_processor, add_bos_token": ({"post_processor": None}, config(add_bos_token=True, bos_token=END)),
}


def main():
    root, cases = json.load(open(EXAMPLE, encoding="utf-8")), []
    for name, (changes, files) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            for file, content in {"tokenizer.json": {**root, **changes}, **files}.items():
                json.dump(content, open(os.path.join(folder, file), "w"))
            ids = AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"]
        cases.append({"name": name, "changes": changes, "files": files, "ids": ids})
    with open(os.path.join(HERE, "folders.json"), "w", encoding="utf-8") as out:
        out.write("{\"text\": %s, \"cases\": [\n%s\n]}\n" % (json.dumps(TEXT), ",\n".join(map(json.dumps, cases))))


main()
