#!/usr/bin/env python3
"""fill.py DESCRIBE TEMPLATE VERSION ROOT - a manual page from its template: a line @NAME@ becomes what DESCRIBE prints for
NAME, @file PATH@ a file of ROOT as it is, @version@ the version."""
import re
import subprocess
import sys

describe, template, version, root = sys.argv[1:]


def literal(path):
    with open(f"{root}/{path}", encoding="utf8") as file:
        text = file.read().replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


for line in open(template, encoding="utf8"):
    part = re.fullmatch(r"@([a-z-]+)@\n", line)
    file = re.fullmatch(r"@file (\S+)@\n", line)
    if part:
        sys.stdout.write(subprocess.run([describe, part[1]], capture_output=True, text=True, check=True).stdout)
    elif file:
        sys.stdout.write(literal(file[1]))
    else:
        sys.stdout.write(line.replace("@version@", version))
