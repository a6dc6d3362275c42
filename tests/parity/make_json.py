#!/usr/bin/env python3
"""make_json.py - what Python's json.loads takes and what it refuses: tests/unit/model/formats/json_cases.txt.

One case a line: the bytes in hexadecimal, then what they are to Python: `refused`, or a canonical form in hexadecimal:
null t f, numbers as i123 or r and the bits of the double, N for one that no double holds, strings as sHEX, [...], {...}
with hexadecimal keys. Run it again with another version of Python: nothing may change.
"""
import json
import math
import random
import struct
import sys

BY_HAND = [
    b'', b' ', b'null', b'true', b'false', b'nul', b'nulll', b'tru', b'0', b'-0', b'-', b'01', b'-01', b'1.', b'.5', b'1.5',
    b'1e5', b'1E+05', b'1e', b'1e+', b'0e0', b'-0.0', b'1e999', b'-1e999', b'1e-999', b'NaN', b'Infinity', b'-Infinity',
    b'-NaN', b'+1', b'nan', b'inf', b'9223372036854775807', b'9223372036854775808', b'-9223372036854775808',
    b'-9223372036854775809', b'18446744073709551615', b'1' + b'0' * 30, b'1' + b'0' * 400, b'-' + b'9' * 320, b'"', b'""',
    b'"a"', b'"\\"', b'"\\n\\t\\r\\b\\f\\/\\\\\\""', b'"\\x"', b'"\\u00e9"', b'"\\u00E9"', b'"\\u00g0"', b'"\\u12"',
    b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\ude00\\ud83d"', b'"\\ud800\\u0041"', b'"\\ud800\\ud800\\udc00"', b'"\\u0000"',
    b'{"\\u0000": 1}', b'"\t"', b'"\x7f"', b'"\xc3\xa9"', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xf0\x9f\x98\x80"',
    b'"\xf4\x90\x80\x80"', b'"\xc0\x80"', b'"\xe0\x80\x80"', b'"\xff"', b'[]', b'[ ]', b'[1,2]', b'[1,]', b'[,1]', b'[1 2]',
    b'[', b']', b'[1', b'{}', b'{ }', b'{"a":1}', b'{"a":1,}', b'{"a" 1}', b'{"a":}', b'{a:1}', b"{'a':1}", b'{"a":1 "b":2}',
    b'{"a":1,"a":2}', b'{"a":1,"b":2,"a":[3]}', b'{"":0}', b'{', b'{"a"', b'{"a":', b'\xef\xbb\xbf{"a":1}', b'\xef\xbb\xbf',
    b'\xef\xbb\xbf\xef\xbb\xbf1', b' \xef\xbb\xbf1', b'\n\r\t 1 \n', b'\x0b1', b'\x0c1', b'1\xc2\xa0', b'1 1', b'{}{}', b'//\n1',
    b'1//', b'\x001', b'1\x00', b'"\x00"', b'[' * 40 + b']' * 40, b'[' * 40 + b']' * 39,
    b'{"model_max_length": 1000000000000000019884624838656, "a": [Infinity, -Infinity, NaN]}',
    b'{"messages": [{"role": "user", "content": "\\u4f60\\u597d"}], "id": 123456789012345678901234567890, "x": null}',
]
PIECES = [b'{', b'}', b'[', b']', b',', b':', b'"', b'"a"', b'\\', b'\\u', b'd83d', b'null', b'1', b'-', b'.', b'e', b' ',
          b'\n', b'0', b'9' * 19, b'NaN', b'Infinity', b'\x00', b'\xc3\xa9', b'\xff', b'\x1f', b'true', b'"\\ud800"']


def mutate(text, random_):
    text = bytearray(text)
    for _ in range(random_.randint(1, 3)):
        at = random_.randint(0, len(text))
        kind = random_.randint(0, 2)
        if kind == 0:
            text[at:at] = random_.choice(PIECES)
        elif kind == 1:
            del text[at : at + random_.randint(1, 3)]
        elif text:
            text[at % len(text)] = random_.choice(random_.choice(PIECES))
    return bytes(text)


def canonical(value):
    if value is None or value is True or value is False:
        return {None: "null", True: "t", False: "f"}[value]
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return f"i{value}"
    if isinstance(value, (int, float)):
        try:
            value = float(value)
        except OverflowError:
            return "N"
        return "r" + struct.pack(">d", value).hex() if math.isfinite(value) else "N"
    if isinstance(value, str):
        return "s" + value.encode("utf8", "surrogatepass").hex()
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return "{" + ",".join(k.encode("utf8", "surrogatepass").hex() + ":" + canonical(v) for k, v in value.items()) + "}"


def main():
    sys.set_int_max_str_digits(0)
    random_ = random.Random(13)
    cases = dict.fromkeys(BY_HAND)
    while len(cases) < 2000:
        cases[mutate(random_.choice(BY_HAND), random_)] = None
    with open("tests/unit/model/formats/json_cases.txt", "w", encoding="ascii") as file:
        for case in cases:
            try:
                value = canonical(json.loads(case.decode("utf-8-sig")))
            except ValueError:
                value = "refused"
            file.write(f"{case.hex() or '-'} {value}\n")


main()
