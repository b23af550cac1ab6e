/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with how a page can be read: a list of lines, empty when nothing is. Run in the page. */
(() => {
  const wrong = [];
  const check = (fine, text) => fine || wrong.push(text);
  const rgb = text => { const n = text.match(/[\d.]+/g).map(Number); return { c: n.slice(0, 3), a: n[3] ?? 1 }; };
  const light = c => c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  function behind(e) {   /* opaque backgrounds only: the page has no others */
    for (; e; e = e.parentElement) {
      const b = rgb(getComputedStyle(e).backgroundColor);
      if (b.a === 1) return b.c;
    }
    return [255, 255, 255];
  }
  /* WCAG 2.1 AA, of every text that is shown */
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), e = walker.currentNode.parentElement, s = getComputedStyle(e);
    if (text === '' || e.getClientRects().length === 0 || ['STYLE', 'SCRIPT', 'NOSCRIPT', 'title'].includes(e.nodeName)) continue;
    const a = light(rgb(e instanceof SVGElement ? s.fill : s.color).c), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    check(ratio >= 4.5, `contrast ${ratio.toFixed(2)} of "${text.slice(0, 40)}"`);
  }
  /* what a screen reader goes by */
  for (const one of ['header', 'main', 'footer', 'h1', '[role=status]', '[role=alert]', '[aria-live=polite]'])
    check(document.querySelectorAll(one).length === 1, `not one ${one}`);
  check(document.documentElement.lang === 'en', 'no language');
  for (const s of document.querySelectorAll('section'))
    check(s.getAttribute('aria-label') || document.getElementById(s.getAttribute('aria-labelledby'))?.textContent, 'a section without a name');
  for (const t of document.querySelectorAll('table')) {
    check(t.querySelector('caption')?.textContent, 'a table without a caption');
    check(t.querySelectorAll('thead th[scope=col]').length > 2, 'columns without headers');
    check([...t.querySelectorAll('tbody tr')].every(r => r.querySelector('th[scope=row]')), 'rows without headers');
  }
  for (const s of document.querySelectorAll('svg'))
    check(s.getAttribute('role') === 'img' && s.getAttribute('aria-label').length > 5, 'a picture without words');
  for (const m of document.querySelectorAll('meter')) check(m.getAttribute('aria-label'), 'a meter without words');
  for (const b of document.querySelectorAll('button')) check(b.textContent && b.hasAttribute('aria-pressed'), 'a button that says nothing');
  /* nothing is wider than the screen, nothing is cut off */
  check(document.documentElement.scrollWidth <= innerWidth, `${document.documentElement.scrollWidth} px on a screen of ${innerWidth}`);
  for (const e of document.querySelectorAll('main *'))
    check(e.closest('svg, thead, caption') || e.getBoundingClientRect().right <= innerWidth + 1, `${e.nodeName} ${e.className} sticks out`);
  for (const i of document.querySelectorAll('[id]')) check(document.querySelectorAll('#' + CSS.escape(i.id)).length === 1, `two #${i.id}`);
  return [...new Set(wrong)];
})()
