# SPDX-License-Identifier: Apache-2.0
"""The status page of a real daemon in Chromium: page.py URL FOLDER STATE [PID]

STATE says how the daemon is, and with it what the page has to say: healthy, away (IT), full (the broker's disk), node;
silent: the process PID is stopped while the page is open, and goes on later. Each is looked at on three screens in two
schemes; the pictures are left in FOLDER."""
import os
import pathlib
import signal
import sys

import browser

URL, FOLDER, STATE = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
LOOKS = (pathlib.Path(__file__).parent / 'looks.js').read_text(encoding='utf-8')
TEXT = "document.getElementById('{}').innerText"
SCREENS = [(w, h, s) for w, h in ((1400, 1000), (800, 1000), (360, 740)) for s in ('light', 'dark')]


def row(b, member):
    return b.evaluate(f"document.querySelector('tr[data-member={member}]')?.innerText") or ''


def state(b, *words):
    b.await_(lambda: b.evaluate('document.body.dataset.state') in words)


def says(b, part, *words):
    text = b.await_(lambda: b.evaluate(TEXT.format(part)))
    for word in words:
        assert word in text, f'{word} is not in: {text}'


def healthy(b):
    state(b, 'ok')
    says(b, 'name', 'Broker of demo')
    says(b, 'health', 'Well')
    says(b, 'problems', 'Nothing')
    says(b, 'destinations-sum', '3 of 3')
    says(b, 'parts', 'Cosigned', 'Expires', '3 of 3', 'accepted')
    assert all('up' in row(b, m) for m in ('CH', 'DE', 'IT'))
    plots = b.await_(lambda: b.evaluate("[...document.querySelectorAll('#plots svg')].map(s => s.getAttribute('aria-label'))"))
    assert len(plots) == 3 and 'accepted' in plots[0], plots
    b.await_(lambda: b.evaluate("document.querySelectorAll('#plots path.one').length") == 3)
    b.evaluate("document.querySelector('button[data-span=history]').click()")
    b.await_(lambda: b.evaluate("document.querySelector('button[aria-pressed=true]').dataset.span") == 'history')


def node(b):
    state(b, 'ok')
    says(b, 'name', 'Node DE of demo')
    says(b, 'figures', 'Submitted', 'Broker', 'up')
    says(b, 'parts', 'Inbox', 'Ready')


def away(b):
    b.await_(lambda: 'down' in row(b, 'IT'))
    first = b.evaluate("document.querySelector('tbody tr').dataset.member")
    assert first == 'IT', f'{first} is shown before the member that is away'
    assert '3' in row(b, 'IT') and 'up' in row(b, 'CH')
    says(b, 'destinations-sum', '2 of 3')
    says(b, 'figures', 'away: IT', 'for IT')


def full(b):
    state(b, 'critical')
    says(b, 'health', 'Critical')
    says(b, 'problems', 'critical', 'high-water mark')
    assert b.evaluate("document.querySelector('meter').value") >= 60
    assert 'critical' in b.evaluate('document.title')
    order = b.evaluate("[...document.querySelectorAll('#problems li')].map(l => l.className)")
    assert order == sorted(order, key=lambda severity: severity != 'critical'), order


def silent(b):
    state(b, 'ok', 'warning', 'critical')
    pid = int(sys.argv[4])
    os.kill(pid, signal.SIGSTOP)
    try:
        state(b, 'silent')
        says(b, 'silence', 'does not answer', 'how it was at', 'systemctl status tmx-broker')
        says(b, 'health', 'No answer')
        look(b)
    finally:
        os.kill(pid, signal.SIGCONT)
    state(b, 'ok', 'warning', 'critical')
    assert b.evaluate(TEXT.format('silence')) == ''


def look(b):
    """Of a page that is dimmed only how it is built, not how light it is."""
    for width, height, scheme in SCREENS:
        b.screen(width, height, scheme, 'reduce' if width == 800 else 'no-preference')
        b.evaluate('new Promise(done => setTimeout(done, 400))')   # the plots are drawn anew at a new width
        wrong = b.evaluate(LOOKS)
        assert not wrong, (width, scheme, wrong)
        b.picture(FOLDER / f'{STATE}-{width}-{scheme}.png')


with browser.Browser(FOLDER) as chromium:
    chromium.screen(1400, 1000, 'light')
    chromium.open(URL)
    {'healthy': healthy, 'node': node, 'away': away, 'full': full, 'silent': silent}[STATE](chromium)
    if STATE != 'silent':
        look(chromium)
    assert not chromium.complaints, chromium.complaints
print(f'page: {STATE}: said and readable on {len(SCREENS)} screens')
