# SPDX-License-Identifier: Apache-2.0
"""Does what a guide says: guides.py SOURCE GUIDE [--show] runs the commands of doc/GUIDE.md, or README.md, in their order, on a
machine of its own (world.sh), and compares what they print with what the guide says they print. --show prints all of it, for who
writes a guide. Before a guide that sets nothing up itself goes what the operator's guide says, up to its line INSTALLED.

In a guide
  ```sh      is run, by bash -e, where the block before left off (folder, variables). The first comment `# by hand: WHY` keeps it
             from being run; that its programs, commands and options exist is checked all the same.
  ```text    after it is what is printed, blanks being squeezed: these lines in this order, `…` standing for anything in a line, and a
             line of nothing but `…` for any lines. `(exit status N)` as its last line is how the block ends, 0 otherwise.
  ```python, ```c, ```bash   is an excerpt of the file that the paragraph before links to.
What only looks is looked at again for at most 30 s: whoever types is slower than a test."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

LOOKS = re.compile(r'(tmxctl\b(?!.* (install|release|trust|reload|reply|hold|retry|requeue|replay|expire|pause|resume|propose|approve)\b)'
                   r'|tmx (.*)?(message|movement|list|info|events(?!.*--follow))\b'
                   r'|(ls|stat|journalctl|curl|grep|cat|sed -n|openssl x509)\b)')
INSTALLING, INSTALLED = 'operators-guide', '## Daily look'
PROGRAMS = re.compile(r'tmx|tmxctl|tmx-[a-z]+')


class Block:
    def __init__(self, line, kind, text, link):
        self.line, self.kind, self.text, self.link, self.expected, self.status = line, kind, text, link, None, 0

    def by_hand(self):
        return self.text.startswith('# by hand: ')

    def commands(self):
        """The lines as bash joins them, without comments and empty ones."""
        joined = re.sub(r'\\\n\s*', ' ', self.text)
        return [c.strip() for c in joined.splitlines() if c.strip() and not c.lstrip().startswith('#')]

    def looks_only(self):
        return all(LOOKS.match(c) for c in self.commands())

    def expect(self, text):
        lines = [' '.join(line.split()) for line in text.splitlines()]
        last = re.fullmatch(r'\(exit status (\d+)\)', lines[-1]) if lines else None
        if last:
            self.status = int(last.group(1))
            lines.pop()
        self.expected = lines


def blocks_of(path, last=None):
    """The fenced blocks of a guide, up to the line `last`; each ```text belongs to the ```sh before it."""
    found, link, start, fence = [], None, None, None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line == last:
            break
        if fence is None and (opened := re.match(r'( *)```(\w*)$', line)):
            start, fence, kind, body = number, opened.group(1) + '```', opened.group(2), []
        elif fence is not None and line == fence:
            text, fence = '\n'.join(body) + '\n', None
            if kind == 'text' and found and found[-1].kind == 'sh' and found[-1].expected is None:
                found[-1].expect(text)
            else:
                found.append(Block(start, kind, text, link))
        elif fence is not None:
            body.append(line)
        elif links := re.findall(r'\]\(([^)#]+)', line):
            link = path.parent / links[-1]
    assert fence is None, f'{path}: the block of line {start} does not end'
    return found


def pattern(expected):
    """Lines that follow one another, as a regular expression over the whole output."""
    parts = []
    for line in expected:
        parts.append('(.*\n)*?' if line == '…' else '.*?'.join(re.escape(p) for p in line.split('…')) + '\n')
    return re.compile('^' + ''.join(parts), re.M)


def squeezed(output):
    return '\n'.join(' '.join(line.split()) for line in output.splitlines()) + '\n'


class Guide:
    def __init__(self, path, folder, show=False):
        self.path, self.show = path, show
        self.state = pathlib.Path(os.environ['HOME'], '.state')
        self.state.write_text(f'cd {folder}\n')
        self.ran = self.by_hand = self.excerpts = 0

    def fail(self, block, why):
        sys.exit(f'{self.path.name}, line {block.line}: {why}')

    def run(self, last=None):
        for block in blocks_of(self.path, last):
            if block.kind == 'sh' and block.by_hand():
                self.by_hand += 1
                self.exists(block)
            elif block.kind == 'sh':
                self.ran += len(block.commands())
                self.execute(block)
            elif block.kind in ('python', 'c', 'bash'):
                self.excerpts += 1
                if block.link is None or block.text not in block.link.read_text():
                    self.fail(block, f'this is no excerpt of {block.link}')
            elif block.kind == 'text':
                self.fail(block, 'no commands print this')

    def execute(self, block):
        began = time.monotonic()
        while True:
            status, output = self.once(block)
            right = status == block.status and (block.expected is None or pattern(block.expected).search(squeezed(output)))
            if right:
                if self.show:
                    print(f'--- line {block.line}\n{block.text}--- printed after {time.monotonic() - began:.1f} s\n{output}', end='')
                return
            if not block.looks_only() or time.monotonic() > began + 30:
                said = '' if block.expected is None else '\n--- instead of\n' + '\n'.join(block.expected)
                self.fail(block, f'exit status {status}, and was printed\n{output}{said}\n--- by\n{block.text}')
            time.sleep(0.1)

    def once(self, block):
        script = f'. {self.state}\ntrap \'{{ export -p; printf "cd %q\\n" "$PWD"; }} >{self.state}\' EXIT\nset -aeo pipefail\n{block.text}'
        try:
            done = subprocess.run(['bash', '-c', script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=120)
        except subprocess.TimeoutExpired as late:
            self.fail(block, f'no end after 120 s, and was printed\n{(late.output or b"").decode(errors="replace")}\n--- by\n{block.text}')
        return done.returncode, done.stdout.decode(errors='replace')

    def exists(self, block):
        """Of what is not run: every program of TMX has the command and the options that are named."""
        for command in block.commands():
            words = re.sub(r'^sudo -u \S+ ', '', command).split()
            if not PROGRAMS.fullmatch(words[0]):
                continue
            if not shutil.which(words[0]):
                self.fail(block, f'{words[0]} is not installed')
            text = help_of(words[0]) + (help_of('tmxctl') if words[0] == 'tmx-witness' else '')   # takes the options of that, too
            for word in words[1:]:
                if re.fullmatch(r'[a-z][a-z-]+', word) and re.search(rf'^ +{word}\b', text, re.M):
                    text += help_of(words[0], word)
            for option in re.findall(r' --([a-z-]+)', command):
                if f'--{option}' not in text:
                    self.fail(block, f'{words[0]} has no option --{option}')


def help_of(*words):
    return subprocess.run([*words, '--help'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30).stdout.decode()


def main():
    source, name = sys.argv[1:3]
    here = pathlib.Path(__file__).resolve().parent
    if '--inside' not in sys.argv:
        os.execv(here / 'world.sh', ['world.sh', source, sys.executable, '-B', '/usr/src/tmx/tests/integration/guides/guides.py',
                                     '/usr/src/tmx', name, '--inside', *sys.argv[3:]])
    top = pathlib.Path(source)
    page = top / 'README.md' if name == 'README' else top / 'doc' / f'{name}.md'
    if name not in (INSTALLING, 'README'):
        Guide(top / 'doc' / f'{INSTALLING}.md', source).run(INSTALLED)
    guide = Guide(page, source if name == 'README' else os.environ['HOME'], '--show' in sys.argv)
    guide.run()
    print(f'{name}: {guide.ran} commands run, {guide.by_hand} blocks by hand, {guide.excerpts} excerpts')


main()
