# SPDX-License-Identifier: Apache-2.0
"""Manual pages against the programs: man.py PAGE PROGRAM [--conf].

Every long option of `PROGRAM --help` and of `PROGRAM COMMAND --help` is in the page and the other way round; with --conf,
every section, key and default of `PROGRAM --print-config` is in the page, and every key of the page in the program."""
import re
import subprocess
import sys


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                          env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}).stdout.decode()


def options_of_help(text):
    return set(re.findall(r"^ +(?:-.(?:, ))?--([a-z-]+)", text, re.M))


def commands_of_help(text):
    """Indented names after a line that begins the list of commands, or directly after the first paragraph."""
    listed = re.search(r"^Commands:\n((?: .*\n|[a-z].*\n)+)", text, re.M) or \
        re.search(r"\n\n((?:  [a-z-]+ .*\n)+)", text)
    return sorted(set(re.findall(r"^  ([a-z-]+)", listed.group(1), re.M))) if listed else []


def check_options(page, program):
    top = output(program, "--help")
    options = options_of_help(top)
    commands = commands_of_help(top)
    for command in commands:
        options |= options_of_help(output(program, command, "--help"))
        if not re.search(rf"\bCm {command}\b", page):
            yield f"command {command} is not in the page"
    described = set(re.findall(r"\bFl -([a-z-]+)", page))
    for option in sorted(options - described):
        yield f"option --{option} is not in the page"
    for option in sorted(described - options):
        yield f"option --{option} is in the page, not in the program"


def check_conf(page, program):
    sections, section = {}, None
    comment = []
    for line in output(program, "--print-config").splitlines():
        heading = re.match(r"#?\[([a-z]+)( NAME)?\]$", line)
        pair = re.match(r"#([a-z_]+) =(?: (.*))?$", line)
        if heading:
            section = heading.group(1)
            sections[section] = {}
        elif pair:
            sections[section][pair.group(1)] = (pair.group(2), any("required" in c for c in comment))
        comment = comment + [line] if line.startswith("# (") else []
    if not sections:
        yield "the program prints no configuration"
    for section, keys in sections.items():
        part = re.search(rf"^\.Ss Section \[{section}\b[^\n]*\n(.*?)(?=^\.S[sh] |\Z)", page, re.M | re.S)
        if not part:
            yield f"section [{section}] is not in the page"
            continue
        items = dict(re.findall(r"^\.It Cm ([a-z_]+)\n(.*?)(?=^\.It |^\.El)", part.group(1), re.M | re.S))
        for key in sorted(set(keys) - set(items)):
            yield f"key {key} of [{section}] is not in the page"
        for key in sorted(set(items) - set(keys)):
            yield f"key {key} of [{section}] is in the page, not in the program"
        for key in sorted(set(items) & set(keys)):
            default, required = keys[key]
            if default and not re.search(rf"{re.escape(default)}\n?;?\n?\s*by default", items[key]):
                yield f"the default of {key} in [{section}] is {default}"
            if required != ("required" in items[key].splitlines()[0]):
                yield f"{key} in [{section}] is {'' if required else 'not '}required"


def main():
    path, program = sys.argv[1:3]
    with open(path) as f:
        page = f.read()
    checks = check_conf if "--conf" in sys.argv else check_options
    wrong = list(checks(page, program))
    lint = output("mandoc", "-Tlint", "-W", "warning", path)
    wrong += lint.splitlines()
    for w in wrong:
        print(f"{path}: {w}")
    return 1 if wrong else 0


sys.exit(main())
