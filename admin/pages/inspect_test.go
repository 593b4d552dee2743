package pages_test

// contrasts lists the texts of a page that are hard to read: less contrast with
// what is behind them than WCAG 2.2 asks for (1.4.3).
const contrasts = `(() => {
  const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1} };
  const light = c => { const f = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4) }; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b) };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0) return c } return {r: 255, g: 255, b: 255, a: 1} };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
    if (!own && !e.matches("input:not([type=hidden]), textarea")) continue;
    if (e.getClientRects().length == 0) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(e.tagName + " " + e.textContent.trim().slice(0, 40) + " " + ratio.toFixed(2));
  }
  return bad;
})()`

// unlabelled lists the fields that a screen reader could not name.
const unlabelled = `[...document.querySelectorAll("input:not([type=hidden]), textarea, select")].filter(e => !e.labels || e.labels.length == 0).map(e => e.outerHTML)`

// wide lists what sticks out of a narrow screen.
const wide = `document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 120))`

// small lists what a thumb would miss (WCAG 2.2, 2.5.8: 24 pixels).
const small = `[...document.querySelectorAll("button, input:not([type=hidden]), textarea, a.button")].filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 120))`

// inspect holds a page to what every page must be: readable in the dark and in
// the light, no wider than a phone, named for screen readers.
func (b *browser) inspect(name string) {
	b.t.Helper()
	for what, expression := range map[string]string{"sticks out of the screen": wide, "has no label": unlabelled, "is too small for a thumb": small} {
		var found []string
		if b.eval(expression, &found); len(found) > 0 {
			b.t.Errorf("on %q this %s: %q", name, what, found)
		}
	}
	var language string
	if b.eval("document.documentElement.lang", &language); language == "" {
		b.t.Errorf("%q says no language", name)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		var found []string
		if b.eval(contrasts, &found); len(found) > 0 {
			b.t.Errorf("on %q this is hard to read when it is %s: %q", name, scheme, found)
		}
		b.picture(name + " " + scheme)
	}
}
