# SPDX-License-Identifier: Apache-2.0
"""The auditor's report of a log that has everything: the page is well-formed, asks for nothing else, and its numbers are
those of the JSON document, which are those of the log as it is listed.

usage: report.py REPORT-LOG TMX-AUDIT
"""
import bisect
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

REPORT_LOG, TMX_AUDIT = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
XHTML = '{http://www.w3.org/1999/xhtml}'
SVG = '{http://www.w3.org/2000/svg}'
FATES = ['delivered', 'refused', 'expired', 'exception', 'open']
COUNTS = ['messages', 'accepted', 'arrived', *FATES, 'queued', 'overdue', 'late']


def audit(*words, status=0):
    done = subprocess.run([TMX_AUDIT, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return done.stdout if status == 0 else done.stderr


class Export:
    def __init__(self, scratch, *mode):
        named = scratch / 'folder'
        subprocess.run([REPORT_LOG, named, *mode], check=True, timeout=60)
        self.folder, self.page = pathlib.Path(named.read_text().strip()), scratch / 'page.html'

    def command(self, *words):
        return words[0], self.folder, '--authority', self.folder / 'authority', *words[1:]

    def report(self, *words):
        """The document and the page of one run, parsed."""
        document = json.loads(audit(*self.command('report', '--json', '--html', self.page, *words)))
        return document, ET.parse(self.page).getroot()

    def lines(self):
        text = audit(*self.command('export', '--format', 'jsonl'))
        return [json.loads(line) for line in text.splitlines()]


# --- the document against the log ---------------------------------------------------------------------------------

def milliseconds(text):
    moment = datetime.datetime.strptime(text, '%Y-%m-%dT%H:%M:%S.%fZ').replace(tzinfo=datetime.timezone.utc)
    return round(moment.timestamp() * 1000)


def deliveries(lines):
    """What each delivery came to, from the lines of the log alone."""
    found = {}
    for line in lines:
        at, outcome = milliseconds(line['time']), line.get('outcome')
        if outcome == 'accepted':
            found[line['index'], line['recipient']] = {**line, 'accepted_ms': at, 'fate': 'open'}
        elif outcome == 'arrived':
            found[line['acceptance'], line['recipient']]['arrived_ms'] = at
        elif outcome in FATES:
            found[line['acceptance'], line['recipient']].update(fate=outcome, ended_ms=at)
    return list(found.values())


def expected_row(chosen, rejected, last_ms, late_ms):
    ended = [d for d in chosen if d['fate'] != 'open']
    still = [d for d in chosen if d['fate'] == 'open']
    row = {'messages': len({d['index'] for d in chosen}), 'accepted': len(chosen), 'rejected': rejected,
           'arrived': sum('arrived_ms' in d for d in chosen), 'queued': sum('arrived_ms' not in d for d in still),
           'late': sum(d['ended_ms'] - d['accepted_ms'] > late_ms for d in ended),
           'overdue': sum(last_ms - d['accepted_ms'] > late_ms for d in still)}
    row.update({fate: sum(d['fate'] == fate for d in chosen) for fate in FATES})
    row['took'] = {'arrival_ms': sorted(d['arrived_ms'] - d['accepted_ms'] for d in chosen if 'arrived_ms' in d),
                   'outcome_ms': sorted(d['ended_ms'] - d['accepted_ms'] for d in ended)}
    oldest = min(still, key=lambda d: d['index'], default=None)
    row['oldest'] = oldest and {'index': oldest['index'], 'accepted_ms': oldest['accepted_ms'],
                                'age_ms': last_ms - oldest['accepted_ms']}
    return row


def check_row(row, expected):
    for key in [*COUNTS, 'oldest']:
        assert row[key] == expected[key], (key, row[key], expected[key])
    if 'rejected' in row:
        assert row['rejected'] == expected['rejected'], row
    for key, took in expected['took'].items():
        if not took:
            assert row[key] is None, row
            continue
        assert row[key]['max'] == took[-1]
        for percent in (50, 95):
            exact = took[-(-len(took) * percent // 100) - 1]
            assert exact <= row[key][f'p{percent}'] <= exact * 17 / 16, (key, percent, exact, row[key])


def check_document(document, lines, member=None, from_ms=0, to_ms=1 << 62):
    last_ms, late_ms = milliseconds(lines[-1]['time']), document['late_after_ms']
    chosen = [d for d in deliveries(lines) if from_ms <= d['accepted_ms'] < to_ms and member in (None, d['sender'], d['recipient'])]
    refusals = {line['index']: line for line in lines if line['kind'] == 'refusal' and from_ms <= milliseconds(line['time']) < to_ms
                and member in (None, line['member'])}.values()
    rejected = [line for line in refusals if line.get('outcome') == 'rejected']

    def expected(key, value):
        return expected_row([d for d in chosen if d[key] == value],
                            sum(line['member' if key == 'sender' else key] == value for line in rejected), last_ms, late_ms)

    check_row(document['totals'], expected_row(chosen, len(rejected), last_ms, late_ms))
    assert [m['member'] for m in document['members']] == sorted({d[k] for d in chosen for k in ('sender', 'recipient')} |
                                                               {line['member'] for line in rejected})
    for m in document['members']:
        check_row(m['sent'], expected('sender', m['member']))
        check_row(m['received'], expected('recipient', m['member']))
    for t in document['types']:
        check_row(t, expected('type', t['type']))
    assert sum(t['accepted'] for t in document['types']) == len(chosen)
    check_timeline(document['timeline'], chosen)
    check_durations(document, chosen)
    check_reasons(document['reasons'], lines, chosen, refusals)
    check_open(document['open'], [d for d in chosen if d['fate'] == 'open'], last_ms)


def check_timeline(timeline, chosen):
    starts = [i['start_ms'] for i in timeline['intervals']]
    assert len(starts) <= 72 and all(b - a == timeline['width_ms'] for a, b in zip(starts, starts[1:]))
    counts = [dict.fromkeys(FATES, 0) for _ in starts]
    for d in chosen:
        counts[bisect.bisect_right(starts, d['accepted_ms']) - 1][d['fate']] += 1
    for interval, count in zip(timeline['intervals'], counts):
        assert {f: interval[f] for f in FATES} == count and interval['accepted'] == sum(count.values()), interval


def check_durations(document, chosen):
    ends = [c['up_to_ms'] for c in document['durations'][:-1]]
    for key, end in (('arrival', 'arrived_ms'), ('outcome', 'ended_ms')):
        counts = [0] * (len(ends) + 1)
        for d in chosen:
            if end in d:
                counts[bisect.bisect_left(ends, d[end] - d['accepted_ms'])] += 1
        assert [c[key] for c in document['durations']] == counts, key


def check_reasons(reasons, lines, chosen, refusals):
    of = {(d['index'], d['recipient']) for d in chosen}
    counted = {}
    for line in refusals:
        event = 'rejected' if line.get('outcome') == 'rejected' else 'statement-rejected'
        counted.setdefault((event, line['member'], line['code']), []).append(line['index'])
    for line in lines:
        if line.get('outcome') in ('refused', 'exception') and (line['acceptance'], line['recipient']) in of:
            counted.setdefault((line['outcome'], line['recipient'], line['code']), []).append(line['index'])
    assert {(r['event'], r['member'], r['code']): (r['count'], r['first_index']) for r in reasons} == \
        {key: (len(indexes), min(indexes)) for key, indexes in counted.items()}


def check_open(shown, still, last_ms):
    still.sort(key=lambda d: (d['index'], d['recipient']))
    assert shown['all'] == len(still) and shown['more'] == max(0, len(still) - 1000) and len(shown['list']) == len(still[:1000])
    for o, d in zip(shown['list'], still):
        assert all(o[key] == d[key] for key in ('index', 'message', 'sender', 'recipient', 'type', 'seq', 'accepted_ms')), (o, d)
        assert o['age_ms'] == last_ms - d['accepted_ms'] and o['arrived_ms'] == d.get('arrived_ms'), (o, d)
        assert o['expires_ms'] == milliseconds(d['expires'])


# --- the page against the document --------------------------------------------------------------------------------

def text_of(element):
    return ''.join(element.itertext())


def value_of(cell):
    """The number of a cell: counts as they stand, durations and times by what they are the text of."""
    for child in cell:
        if child.tag == XHTML + 'data':
            return int(child.get('value'))
        if child.tag == XHTML + 'time':
            return milliseconds(child.get('datetime'))
    text = text_of(cell).replace('\u202f', '')
    return None if text == '–' else int(text) if text.isdigit() else text


def table(page, name):
    """Its rows, each a list of what is in its cells."""
    found = [t for t in page.iter(XHTML + 'table') if t.get('id') == name]
    if not found:
        return []
    caption, body = found[0].find(XHTML + 'caption'), found[0].find(XHTML + 'tbody')
    width = len(found[0].findall(f'{XHTML}thead/{XHTML}tr/{XHTML}th'))
    assert text_of(caption) and all(len(row) == width for row in body), name
    return [[value_of(cell) for cell in row] for row in body]


def by_id(page, name):
    return next((e for e in page.iter() if e.get('id') == name), None)


def count_cells(row, name, keys):
    return [name, *(row[key] for key in keys), row['oldest'] and row['oldest']['age_ms']]


def duration_cells(row, name):
    return [name, *((row[key] or {}).get(p) for key in ('arrival_ms', 'outcome_ms') for p in ('p50', 'p95', 'max'))]


def check_page(page, document):
    totals, members = document['totals'], document['members']
    assert [value_of(dd) for dd in by_id(page, 'totals').iter(XHTML + 'dd')] == \
        [totals[key] for key in ('messages', 'accepted', *FATES, 'overdue', 'late', 'rejected')]
    sent = [(m['sent'], m['member']) for m in members] + [(totals, 'all')]
    received = [(m['received'], m['member']) for m in members]
    assert table(page, 'sent') == [count_cells(*row, [*COUNTS, 'rejected']) for row in sent]
    assert table(page, 'received') == [count_cells(*row, COUNTS) for row in received]
    assert table(page, 'types') == [count_cells(t, t['type'], [*COUNTS, 'rejected']) for t in document['types']]
    assert table(page, 'sent-durations') == [duration_cells(*row) for row in sent]
    assert table(page, 'received-durations') == [duration_cells(*row) for row in received]
    assert table(page, 'timeline') == [[i['start_ms'], i['accepted'], *(i[f] for f in FATES)]
                                       for i in document['timeline']['intervals']]
    assert [row[1:] for row in table(page, 'durations')] == [[c['arrival'], c['outcome']] for c in document['durations']]
    assert [[r[0], *r[2:]] for r in table(page, 'reasons')] == \
        [[r['member'], r['code'], r['count'], r['first_index'], r['meaning']] for r in document['reasons']]
    assert table(page, 'open') == [[o[key] for key in ('index', 'accepted_ms', 'age_ms', 'sender', 'recipient', 'type', 'seq',
                                                       'arrived_ms', 'expires_ms', 'message')] for o in document['open']['list']]
    more = by_id(page, 'more')
    assert (value_of(more) if more is not None else 0) == document['open']['more']
    check_bars(page, document)


def bars(svg):
    """(class, x, y, width, height) of what is drawn, in order."""
    return [(r.get('class'), *(float(r.get(k)) for k in ('x', 'y', 'width', 'height'))) for r in svg.iter(SVG + 'rect')]


def same(drawn, wanted):
    assert len(drawn) == len(wanted) and all(a[0] == b[0] and abs(a[1] - b[1]) < 0.01 for a, b in zip(drawn, wanted)), (drawn, wanted)


def check_bars(page, document):
    """Bars are as long as their numbers, beside a scale or the longest."""
    figures = {f.get('aria-labelledby'): f for f in page.iter(XHTML + 'figure')}

    def chart(name):
        """The number its scale ends with, and its bars."""
        found = next(d for d in figures[name].iter(XHTML + 'div') if d.get('class') == 'chart')
        return value_of(found[0][0]), bars(found)

    if document['timeline']['intervals']:
        top, drawn = chart('timeline-plot')
        same([(c, h) for c, _, _, _, h in drawn], [(f, 100 * i[f] / top) for i in document['timeline']['intervals'] for f in FATES if i[f]])
        for before, after in zip([('', -1, 0, 0, 0)] + drawn, drawn):   # on the one before, or on the ground
            assert abs(after[2] + after[4] - (before[2] if before[1] == after[1] else 100)) < 0.01, (before, after)
        assert max(i['accepted'] for i in document['timeline']['intervals']) <= top
    top, drawn = chart('durations-plot')
    same([(c, h) for c, _, _, _, h in drawn], [(colour, 100 * c[key] / top) for c in document['durations']
                                               for key, colour in (('arrival', 'arrival'), ('outcome', 'delivered')) if c[key]])
    for side in ('sent', 'received'):
        longest = max([1] + [m[side]['accepted'] for m in document['members']])
        rows = next(d for d in figures[f'{side}-plot'].iter(XHTML + 'div') if d.get('class') == 'bars')
        drawn = [(c, w) for c, _, _, w, _ in bars(rows)]
        for row in map(bars, rows.iter(SVG + 'svg')):
            assert all(abs(a[1] + a[3] - b[1]) < 0.02 for a, b in zip([('', 0, 0, 0, 0)] + row, row)), row
        same(drawn, [(f, 1000 * m[side][f] / longest) for m in document['members'] for f in FATES if m[side][f]])


def check_text(text, document):
    """The tables of the terminal."""
    keys = [key for key in COUNTS if key != 'queued']
    rows = [line.split() for line in text.splitlines()]
    for name, row in [('all', document['totals'])] + [(m['member'], m[side]) for side in ('sent', 'received')
                                                      for m in document['members']] + [(t['type'], t) for t in document['types']]:
        assert [name, *(str(row[key]) for key in keys)] in rows, (name, text)
    for reason in document['reasons']:
        assert [str(reason[key]) for key in ('event', 'member', 'code', 'count', 'first_index')] in rows, (reason, text)
    listed = [row for row in rows if len(row) == 9 and row[-1] in {o['message'] for o in document['open']['list']}]
    assert [[int(row[0]), row[4], row[5]] for row in listed] == \
        [[o['index'], o['sender'], o['recipient']] for o in document['open']['list'][:20]]
    assert f'and {document["open"]["all"] - 20} younger ones' in text and 'more than 1.5 min after acceptance' in text


def check_alone(path):
    """Nothing is fetched or run."""
    text = path.read_text()
    assert not re.search(r'<(script|link|img|iframe|object|form|a|base)\b|\bon[a-z]+=|url\(|@import|https?://(?!www\.w3\.org/(1999/xhtml|2000/svg)")', text)
    assert "default-src 'none'" in text and text.startswith('<!DOCTYPE html>')


def refusals_of_the_command(export, lines):
    for words, why in ((['--late', '20'], 'is no duration'), (['--late', '0m'], 'is no duration'), (['--late', '5x'], 'is no duration'),
                       (['--late', ''], 'is no duration'), (['--out', 'x'], 'report has no option --out')):
        assert why in audit(*export.command('report', *words), status=64), words
    missing = export.folder / 'none/page.html'
    assert f'cannot write {missing}' in audit(*export.command('report', '--html', missing), status=1)
    bundle = export.folder / 'tile/entries/000'
    digest = bytes.fromhex(next(line['digest'] for line in lines if 'digest' in line))
    bundle.write_bytes(bundle.read_bytes().replace(digest, bytes(32), 1))
    export.page.unlink()
    assert 'do not give the signed root' in audit(*export.command('report', '--html', export.page), status=1)
    assert not export.page.exists(), 'a page of what is not the log'


def main():
    with tempfile.TemporaryDirectory(prefix='tmx-report-') as scratch:
        export = Export(pathlib.Path(scratch))
        whole_open = None
        try:
            assert audit(*export.command('verify')).endswith('verdict     ok\n')
            lines = export.lines()
            day = milliseconds('2026-09-22T00:00:00.000Z')
            for words, selection in (([], {}), (['--member', 'IT', '--late', '45s'], {'member': 'IT'}),
                                     (['--from', '2026-09-22', '--to', '2026-09-23'], {'from_ms': day, 'to_ms': day + 86400000}),
                                     (['--from', '2030-01-01'], {'from_ms': 1 << 61}), (['--member', 'XX'], {'member': 'XX'})):
                document, page = export.report(*words)
                check_document(document, lines, **selection)
                check_page(page, document)
                check_alone(export.page)
            assert document['totals']['accepted'] == 0
            document, page = export.report('--late', '90s')
            assert document['late_after_ms'] == 90000
            check_text(audit(*export.command('report', '--late', '90s')), document)
            refusals_of_the_command(export, lines)
            whole_open = Export(pathlib.Path(scratch), 'open')
            document, page = whole_open.report()
            check_document(document, whole_open.lines())
            check_page(page, document)
            assert document['open']['more'] > 500 and document['totals']['late'] == 0
        finally:
            for e in (export, whole_open):
                if e is not None:
                    shutil.rmtree(e.folder)
    print('page, document and log say the same')


main()
