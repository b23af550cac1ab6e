
'use strict';
/* The page is made anew from every status, and only what differs is changed in the document: a reader's place, a selection
   and a screen reader's voice stay undisturbed. Nothing is ever written as HTML: all text of the daemon stays text. */

const STATUS_MS = 2000, HISTORY_MS = 10000, PATIENCE_MS = 4000;
const SVG = 'http://www.w3.org/2000/svg';
const MARKS = { ok: '●', warning: '▲', critical: '■', silent: '✕' };
const $ = id => document.getElementById(id);

/* ---- elements ---- */

function element(ns, tag, attributes, children) {
  const e = document.createElementNS(ns, tag);
  for (const [name, value] of Object.entries(attributes ?? {}))
    if (value != null) e.setAttribute(name, value);
  e.append(...children.flat(Infinity).filter(c => c != null && c !== false).map(c => c instanceof Node ? c : String(c)));
  return e;
}
const el = (tag, attributes, ...children) => element('http://www.w3.org/1999/xhtml', tag, attributes, children);
const svg = (tag, attributes, ...children) => element(SVG, tag, attributes, children);

/* Makes one node like another, changing as little as it can. */
function become(have, want) {
  if (have.nodeName !== want.nodeName || have.nodeType !== want.nodeType) {
    have.replaceWith(want);
    return;
  }
  if (have.nodeType === Node.TEXT_NODE) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  for (const { name } of [...have.attributes]) if (!want.hasAttribute(name)) have.removeAttribute(name);
  for (const { name, value } of want.attributes) if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  children(have, [...want.childNodes]);
}
function children(have, want) {
  want.forEach((w, i) => i < have.childNodes.length ? become(have.childNodes[i], w) : have.append(w));
  while (have.childNodes.length > want.length) have.lastChild.remove();
}
const fill = (id, ...content) => children($(id), [...el('div', null, ...content).childNodes]);

/* ---- words and numbers, as tmxctl writes them ---- */

const count = n => n == null ? '–' : Math.round(n).toLocaleString('en').replaceAll(',', '\u202f');
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;
function duration(ms) {
  if (ms == null) return '–';
  for (const [unit, size, below] of [['ms', 1, 1000], ['s', 1000, 120], ['min', 60000, 120], ['h', 3600000, 48]])
    if (ms / size < below) return `${Math.floor(ms / size)}\u00a0${unit}`;
  return `${Math.floor(ms / 86400000)}\u00a0d`;
}
function bytes(n) {
  if (n == null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let u = 0;
  for (; n >= 1024 && u < 4; u++) n /= 1024;
  return `${u === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)}\u00a0${units[u]}`;
}
const rate = r => r == null ? '–' : r >= 100 ? count(r) : r >= 10 ? r.toFixed(1) : r.toFixed(2);
const clock = (ms, seconds) => new Date(ms).toTimeString().slice(0, seconds ? 8 : 5);
const day = ms => new Date(ms).toISOString().slice(0, 10);
const sum = (rows, name) => rows.reduce((all, r) => all + (r[name] ?? 0), 0);
const state = word => el('span', { class: word }, word);

/* ---- who, and what needs attention ---- */

function showHead(s) {
  const name = s.role === 'node' ? `Node ${s.member}` : 'Broker';
  fill('name', `${name} of ${s.federation}`);
  fill('facts', `Up ${duration(s.uptime_ms)}, version ${s.version}`);
  const word = { ok: 'Well', warning: 'Warning', critical: 'Critical' }[s.health];
  become($('health'), el('p', { id: 'health', role: 'status', class: s.health }, `${MARKS[s.health]} ${word}`));
  mark(s.health, name);
}
function mark(word, name) {
  document.body.dataset.state = word;
  document.title = `${MARKS[word]} ${name}: ${word}`;
  const colour = { ok: '%231c8f5d', warning: '%23c98a00' }[word] ?? '%23c62d24';
  const shape = { ok: '<circle cx="8" cy="8" r="7"/>', warning: '<path d="M8 1l7 14H1z"/>' }[word] ?? '<path d="M1 1h14v14H1z"/>';
  document.querySelector('link[rel=icon]').href =
    `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${colour}">${shape}<\/svg>`;
}
function showProblems(s) {
  const rank = p => p.severity === 'critical' ? 0 : 1;
  const list = [...s.problems].sort((a, b) => rank(a) - rank(b)).map(p =>
    el('li', { class: p.severity }, el('b', null, `${MARKS[p.severity]} ${p.severity}`), el('span', null, p.text),
      p.see && el('span', { class: 'next' }, 'Look deeper: ', el('code', null, p.see))));
  fill('problems', list.length > 0 ? list : el('li', { class: 'fine' }, '● Nothing.'));
}

/* ---- figures ---- */

const figure = (name, value, more, tone) => el('div', null, el('dt', null, name), el('dd', { class: tone }, value, more && el('small', null, more)));
function pace(s, name, key) {
  const [now, lately] = s.rates?.[key] ?? [];
  return figure(name, `${rate(now)}/s`, `${rate(lately)}/s over 15 min`);
}
function took(s, name, key) {
  const l = s.latency?.[key];
  return figure(name, duration(l?.p50[1]), l?.p99[1] == null ? 'none in 15 min' : `99 % within ${duration(l.p99[1])}`);
}
function showFigures(s) {
  const rows = s.destinations, queued = sum(rows, 'queued');
  const oldest = rows.reduce((old, r) => (r.oldest_ms ?? -1) > (old?.oldest_ms ?? -1) ? r : old, null);
  const waits = figure('Waiting', count(queued), queued === 0 ? 'nothing' : bytes(sum(rows, 'queued_bytes')));
  const broker = () => {
    const away = rows.filter(r => r.link !== 'up').map(r => r.member);
    const more = away.length === 0 ? 'every member' : `away: ${away.slice(0, 4).join(' ')}${away.length > 4 ? ' …' : ''}`;
    return [pace(s, 'Accepted', 'accepted'), pace(s, 'Delivered', 'delivered'), took(s, 'Time to delivery', 'delivered_ms'), waits,
      figure('Oldest waiting', duration(oldest?.oldest_ms), oldest?.oldest_ms == null ? 'nothing' : `for ${oldest.member}`, sum(rows, 'late') > 0 ? 'late' : null),
      figure('Linked', `${rows.length - away.length} of ${rows.length}`, more, away.length > 0 ? 'down' : null)];
  };
  const node = () => [pace(s, 'Submitted', 'submitted'), pace(s, 'Received', 'received'),
    took(s, 'Time to delivery', 'delivered_ms'), figure('To be sent', count(s.counters.waiting), `${count(s.counters.unanswered)} not answered yet`),
    figure('For applications', count(s.inbox.offered), `${count(s.inbox.leased)} in work, ${count(s.inbox.held)} held`),
    figure('Broker', state(s.link.state), s.link.last_seen_ms == null ? 'never heard' : `heard ${duration(s.link.last_seen_ms)} ago`)];
  fill('figures', s.role === 'broker' ? broker() : node());
}

/* ---- plots ---- */

const HEIGHT = 132, LEFT = 46, RIGHT = 6, TOP = 10, BOTTOM = 20;

function niceMax(v) {
  const power = 10 ** Math.floor(Math.log10(Math.max(v, 1)));
  return [1, 2, 4, 6, 8, 10].find(m => m * power >= v) * power;
}
function scaleOf(values, log) {
  const max = Math.max(0, ...values.filter(v => v != null));
  if (!log) {
    const top = niceMax(max);
    return { ticks: top < 2 ? [0, top] : [0, top / 2, top], at: v => v / top };
  }
  const steps = [1, 10, 100, 1000, 10000, 60000, 600000, 3600000, 36000000, 360000000];
  const low = Math.max(1, Math.min(...values.filter(v => v != null)));
  const first = Math.max(0, steps.findLastIndex(t => t <= low)), last = steps.findIndex(t => t >= max && t > steps[first]);
  const ticks = steps.slice(first, (last < 0 ? steps.length - 1 : last) + 1);
  const span = Math.log(ticks.at(-1) / ticks[0]);
  return { ticks: ticks.length > 4 ? ticks.filter((_, i) => i % 2 === 0 || i === ticks.length - 1) : ticks,
    at: v => Math.log(Math.max(v, ticks[0]) / ticks[0]) / span };
}
/* Lines through what there is, broken where there is nothing. */
function pathOf(points) {
  let d = '', pen = 'M';
  for (const [x, y] of points) {
    if (y == null) { pen = 'M'; continue; }
    d += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  }
  return d;
}
/* What has nothing on either side would be no line. */
const alone = points => points.filter(([, y], i) => y != null && points[i - 1]?.[1] == null && points[i + 1]?.[1] == null);
function plot(title, lines, h, options) {
  const width = Math.max(240, options.width), values = lines.flatMap(l => l.values);
  const shown = options.log ? duration : count;
  const caption = el('figcaption', null, title, el('span', null, lines.map((l, i) =>
    el('span', { class: lines.length > 1 ? `key-${['one', 'two'][i]}` : null }, `${l.name} ${shown(l.values.findLast(v => v != null))} `))));
  if (!values.some(v => v != null)) return el('figure', null, caption, svg('svg', { role: 'img', 'aria-label': `${title}: nothing in this time` },
    svg('text', { x: 0, y: HEIGHT / 2 }, h.ago_ms.length === 0 ? 'The first figures come after a minute.' : 'Nothing in this time.')));
  const scale = scaleOf(values, options.log), span = h.span_ms;
  const x = ago => width - RIGHT - (width - LEFT - RIGHT) * ago / span, y = v => v == null ? null : HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale.at(v);
  const step = span > 3600000 ? 3600000 : 300000, every = width < 420 && span > 3600000 ? 2 : 1;
  const hours = [];
  for (let at = Math.floor(h.at_ms / step) * step, i = 0; h.at_ms - at < span; at -= step, i++) if (i % every === 0) hours.push(at);
  const best = lines[0].values.reduce((b, v, i) => v != null && (b < 0 || v > lines[0].values[b]) ? i : b, -1);
  const spoken = `${title}, the last ${duration(span)}. ` + lines.map(l => `${l.name}: now ${shown(l.values.findLast(v => v != null))}`).join(', ') +
    (best < 0 ? '.' : `; highest ${lines[0].name} ${shown(lines[0].values[best])} at ${clock(h.at_ms - h.ago_ms[best])}.`);
  const points = lines.map(l => l.values.map((v, i) => [x(h.ago_ms[i]), y(v)]));
  const base = y(scale.ticks[0]), ends = points[0].filter(p => p[1] != null);
  return el('figure', null, caption, svg('svg', { role: 'img', 'aria-label': spoken, viewBox: `0 0 ${width} ${HEIGHT}` },
    scale.ticks.map(t => [svg('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(t), y2: y(t) }),
      svg('text', { x: LEFT - 6, y: y(t) + 4, 'text-anchor': 'end' }, shown(t))]),
    hours.map(at => svg('text', { x: Math.min(x(h.at_ms - at), width - RIGHT - 14), y: HEIGHT - 5, 'text-anchor': 'middle' }, clock(at))),
    !options.log && ends.length > 1 && svg('path', { class: 'under', d: `${pathOf(ends)}L${ends.at(-1)[0]} ${base}L${ends[0][0]} ${base}Z` }),
    points.map((p, i) => [p, ['one', 'two'][i]]).reverse().map(([p, name]) => [svg('path', { class: name, d: pathOf(p) }),
      alone(p).map(([cx, cy]) => svg('circle', { class: name, cx, cy, r: 2.5 }))])));
}
function showPlots() {
  if (!last.history || !last.status) return;
  const h = { ...last.history, span_ms: span === 'recent' ? 900000 : 21600000 };
  const width = Math.floor($('plots').firstElementChild?.clientWidth ?? 380) - 24;
  const broker = last.status.role === 'broker';
  const minutely = name => h.counters[name]?.map((n, i) => n * 60000 / h.length_ms[i]) ?? [];
  const [one, two] = broker ? ['accepted', 'delivered'] : ['submitted', 'received'];
  fill('plots',
    plot('Messages a minute', [{ name: one, values: minutely(one) }, { name: two, values: minutely(two) }], h, { width }),
    plot('Time to delivery', [{ name: 'half within', values: h.latency.delivered_ms?.p50 ?? [] }, { name: '99 % within', values: h.latency.delivered_ms?.p99 ?? [] }], h, { width, log: true }),
    plot('Waiting', [{ name: 'messages', values: h.levels[broker ? 'queued' : 'waiting'] ?? [] }], h, { width }));
}

/* ---- destinations ---- */

const AGES = ['under 1 min', '1 to 5 min', '5 to 20 min', '20 min to 1 h', '1 to 4 h', '4 to 24 h', 'older'];
function ages(row) {
  const all = row.ages?.reduce((a, b) => a + b, 0);
  if (!all) return null;
  const words = row.ages.map((n, i) => n > 0 && `${count(n)} ${AGES[i]}`).filter(Boolean).join(', ');
  const bars = row.ages.map((n, i) => n > 0 && svg('rect', { class: i < 3 ? 'young' : i < 5 ? 'old' : 'older',
    x: row.ages.slice(0, i).reduce((a, b) => a + b, 0) / all * 84, width: Math.max(1, n / all * 84 - 1), y: 0, height: 12 }));
  return svg('svg', { class: 'ages', role: 'img', 'aria-label': words, viewBox: '0 0 84 12' }, svg('title', null, words), bars);
}
const COLUMNS = [
  ['Link', 'text', r => r.link && state(r.link)],
  ['Waiting', '', r => count(r.queued)],
  ['Size', '', r => r.queued > 0 && r.queued_bytes != null && bytes(r.queued_bytes)],
  ['Oldest', '', r => r.oldest_ms != null && duration(r.oldest_ms)],
  ['Ages', 'text', ages],
  ['Late', '', r => r.late > 0 && el('span', { class: 'late' }, count(r.late))],
  ['In flight', '', r => r.in_flight > 0 && count(r.in_flight)],
  ['Next retry', '', r => r.next_retry_ms != null && `in ${duration(r.next_retry_ms)}`],
  ['Heard', '', r => r.last_seen_ms != null && `${duration(r.last_seen_ms)} ago`],
  ['Last error', 'text wrap rest', r => r.last_error],
];
function showDestinations(s) {
  const trouble = r => (r.link && r.link !== 'up' ? 2 : 0) + (r.queued > 0 ? 1 : 0);
  const rows = [...s.destinations].sort((a, b) => trouble(b) - trouble(a) || b.queued - a.queued || (a.member < b.member ? -1 : 1));
  const well = rows.filter(r => trouble(r) === 0).length;
  const cells = rows.map(r => COLUMNS.map(c => c[2](r)));
  const used = COLUMNS.map((_, i) => i).filter(i => i === COLUMNS.length - 1 || cells.some(row => row[i] != null && row[i] !== false));
  fill('destinations-sum', `${well} of ${rows.length} are linked and have nothing waiting`);
  if (s.role === 'node') fill('destinations-sum', `${well} of ${rows.length} have nothing waiting`);
  fill('destinations', el('table', { role: 'table' }, el('caption', null, 'Where messages wait'),
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ['Member', ...used.map(i => COLUMNS[i][0])].map((name, i) =>
      el('th', { scope: 'col', role: 'columnheader', class: i === 0 ? 'text' : COLUMNS[used[i - 1]][1] }, name)))),
    el('tbody', { role: 'rowgroup' }, rows.map((r, n) => el('tr', { role: 'row', 'data-member': r.member },
      el('th', { scope: 'row', role: 'rowheader', class: 'text' }, r.member), used.map(i => {
        const cell = cells[n][i], empty = cell == null || cell === false;
        return el('td', { role: 'cell', class: COLUMNS[i][1] + (empty ? ' empty' : ''), 'data-name': COLUMNS[i][0] === 'Link' ? null : COLUMNS[i][0] }, cell);
      }))))));
}

/* ---- log, disk, directory and the rest ---- */

const part = (title, ...content) => el('section', { 'aria-label': title }, el('h2', null, title), content);
const words = name => name.replaceAll('_', ' ');
const facts = pairs => el('dl', null, pairs.filter(p => p && p[1] != null).map(([name, value]) => [el('dt', null, name), el('dd', null, value)]));

function logPart(s) {
  const l = s.log, c = l.cosigned;
  const by = c && (c.size === 0 ? 'not yet' : `by ${c.by} of ${c.witnesses}${c.age_ms == null ? '' : `, ${duration(c.age_ms)} ago`}${c.quorum ? '' : ': no quorum'}`);
  return part('Log', facts([['Entries', count(l.size)], ['Origin', l.origin || 'no head yet'], ['Cosigned', by],
    c && c.size > 0 && ['Up to', c.size >= l.size ? 'the head' : `entry ${count(c.size)}`], l.root && ['Root', el('code', null, l.root)]]));
}
function diskPart(s) {
  const d = s.spool;
  return part('Disk', el('meter', { min: 0, max: 100, low: 60, high: 79, optimum: 0, value: d.percent, 'aria-label': `Spool: ${d.percent} percent used` }),
    facts([['Used', `${bytes(d.used_bytes)} of ${bytes(d.capacity_bytes)}, ${d.percent}\u00a0%`],
      d.full_in_ms != null && ['Full in', `${duration(d.full_in_ms)}, as it grows now`]]));
}
function trustPart(s) {
  const until = at => at > s.at_ms ? `${day(at)}, in ${duration(at - s.at_ms)}` : `${day(at)}: expired`;
  return part('Directory and keys', facts([['Directory', `serial ${count(s.directory.serial)}`], ['Expires', until(s.directory.expires_at_ms)],
    s.keys?.prekeys_until_at_ms && ['Prekeys', `${until(s.keys.prekeys_until_at_ms)}${s.role === 'broker' ? ` (${s.keys.prekeys_of})` : ''}`]]));
}
function gatesPart(s) {
  const off = s.gates.filter(g => g.state !== 'up' || g.restarts > 0);
  return part('Gates', facts([['Up', `${s.gates.filter(g => g.state === 'up').length} of ${s.gates.length}`],
    ...off.map(g => [g.member, [state(g.state), g.restarts > 0 && `, started again ${plural(g.restarts, 'time')}`, g.failed && `: ${g.failed}`]])]));
}
function inboxPart(s) {
  const i = s.inbox;
  return part('Inbox', facts([['Ready', count(i.offered)], ['In work', count(i.leased)], ['Behind others', i.blocked && count(i.blocked)], ['Held', count(i.held)]]));
}
function countersPart(s) {
  const shown = ([name, n]) => el('div', null, el('dt', null, words(name)), el('dd', null, name.endsWith('_bytes') ? bytes(n) : count(n)));
  return el('section', { class: 'wide', 'aria-label': 'Since the start' }, el('h2', null, 'Since the start'),
    el('dl', null, Object.entries(s.counters).map(shown)));
}
function showParts(s) {
  fill('parts', logPart(s), diskPart(s), trustPart(s), s.gates ? gatesPart(s) : inboxPart(s), countersPart(s));
}

/* ---- asking ---- */

const last = { status: null, history: null, at: null, silent: null };
let span = 'recent';   /* and history: the names of the documents */

async function ask(path) {
  const r = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!r.ok) throw new Error(`it says ${r.status}`);
  return r.json();
}
function showSilence() {
  const who = last.status?.role === 'node' ? `tmx-node@${last.status.member}` : last.status ? 'tmx-broker' : 'The daemon';
  last.silent ??= Date.now();
  document.body.classList.add('gone');
  mark('silent', last.status?.role === 'node' ? `Node ${last.status.member}` : last.status ? 'Broker' : 'TMX');
  become($('health'), el('p', { id: 'health', role: 'status', class: 'critical' }, `${MARKS.silent} No answer`));
  fill('silence', `${who} does not answer, since ${clock(last.silent, true)}.`,
    el('span', null, last.at ? `What is below is how it was at ${clock(last.at, true)}. ` : 'Nothing is known yet. ', 'Look deeper: ',
      el('code', null, last.status ? `systemctl status ${who}` : 'tmxctl status')));
}
async function statusBeat() {
  try {
    const s = await ask('status.json');
    Object.assign(last, { status: s, at: Date.now(), silent: null });
    document.body.classList.remove('gone');
    fill('silence');
    for (const show of [showHead, showProblems, showFigures, showDestinations, showParts]) show(s);
    if ($('plots').childElementCount === 0) showPlots();
  } catch (error) {
    console.warn(error);
    showSilence();
  }
  setTimeout(statusBeat, document.hidden ? 5 * STATUS_MS : STATUS_MS);
}
async function historyBeat() {
  clearTimeout(historyBeat.next);
  try {
    last.history = await ask(`${span}.json`);
    showPlots();
  } catch (error) {
    console.warn(error);   /* that it does not answer is said by the other one */
  }
  historyBeat.next = setTimeout(historyBeat, HISTORY_MS);
}
$('spans').addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  span = button.dataset.span;
  for (const b of $('spans').children) b.setAttribute('aria-pressed', b === button);
  historyBeat();
});
new ResizeObserver(() => requestAnimationFrame(showPlots)).observe($('plots'));
statusBeat();
historyBeat();
