#!/usr/bin/env python3
"""embed.py INPUT OUTPUT - a file as C source: web_page_html, with a zero behind it, and web_page_html_bytes without that."""
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
with open(sys.argv[2], "w", encoding="ascii") as file:
    file.write("#include <stddef.h>\nextern const unsigned char web_page_html[];\nextern const size_t web_page_html_bytes;\n")
    file.write("const unsigned char web_page_html[] = {\n")
    for start in range(0, len(data), 20):
        file.write("".join(f"{byte}," for byte in data[start : start + 20]) + "\n")
    file.write(f"0}};\nconst size_t web_page_html_bytes = {len(data)};\n")
