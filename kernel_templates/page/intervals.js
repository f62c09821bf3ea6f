// Intervals of the variants, one measure at a time: a forest plot in a table, so that each value is also text.

const MOST_VARIANTS = 200;
const FOREST = { width: 280, height: 26, pad: 10 };

const measuresOf = (page) => [...new Set(page.intervals.map((one) => one.measure))];

const fillMeasures = () => {
  const measures = measuresOf(view.page);
  const select = control("measure");
  if (!measures.includes(view.measure)) view.measure = measures[0] || "";
  select.replaceChildren(...measures.map((measure) => option(measure, short(measure, 60))));
  select.value = view.measure;
};

const scaleOf = (shown) => {
  const values = shown.flatMap((one) => [one.mean, one.low ?? one.mean, one.high ?? one.mean]);
  let low = values.reduce((least, value) => Math.min(least, value), Infinity);
  let high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const margin = Math.max(1, Math.abs(low) / 1000); // 1 is lost in the rounding of a large number
  if (low === high) [low, high] = [low - margin, high + margin];
  const inside = FOREST.width - 2 * FOREST.pad;
  return { low, high, at: (value) => FOREST.pad + (inside * (value - low)) / (high - low) };
};

const forest = (one, { low, high, at }, index) => {
  const middle = FOREST.height / 2;
  const single = one.low === null || one.high === null;
  const colour = `var(--series-${index % 2 ? "other" : "first"})`;
  const drawn = [];
  if (low < 0 && high > 0) drawn.push(drawing("path", { d: `M${at(0)} 0V${FOREST.height}`, class: "zero" }));
  if (!single) drawn.push(drawing("path", { d: `M${at(one.low)} ${middle - 5}v10M${at(one.low)} ${middle}H${at(one.high)}M${at(one.high)} ${middle - 5}v10`, class: "whisker" }));
  drawn.push(drawing("circle", { cx: at(one.mean), cy: middle, r: 4.5, class: single ? "mean single" : "mean" }));
  return drawing("svg", { viewBox: `0 0 ${FOREST.width} ${FOREST.height}`, class: "forest", role: "img", "aria-label": intervalText(one) }, ...drawn);
};

const intervalText = ({ mean, low, high }) => {
  if (low === null || high === null) return `${number(mean)}, a single training`;
  const shown = (value) => rounded(value, high - low);
  return `${shown(mean)} [${shown(low)}, ${shown(high)}]`;
};

const intervalRow = (one, scale, index) =>
  element("tr", { "data-variant": one.variant }, element("th", { scope: "row", dir: "auto", title: one.variant }, short(one.variant, 40)),
    element("td", { class: "chart" }, forest(one, scale, index)), element("td", { class: "numeric" }, intervalText(one)), element("td", { class: "numeric" }, integer(one.n)),
    element("td", {}, element("code", { title: `${one.source.session} ${one.source.digest}` }, short(one.source.session, 30))));

const drawIntervals = () => {
  const section = part("intervals");
  section.hidden = !view.page.intervals.length;
  if (section.hidden) return;
  fillMeasures();
  const all = view.page.intervals.filter((one) => one.measure === view.measure);
  const shown = all.slice(0, MOST_VARIANTS);
  const scale = scaleOf(shown);
  section.dataset.intervals = all.length;
  section.dataset.measure = clean(view.measure);
  const ends = element("div", { class: "ends" }, element("span", {}, number(scale.low)), element("span", {}, number(scale.high)));
  const head = element("tr", {}, ...["Variant", short(view.measure, 40), "Mean [95 % interval]", "Seeds", "Newest session"].map((title) => element("th", { scope: "col" }, title)));
  head.children[1].append(ends);
  slot("intervals", "body").replaceChildren(element("table", { class: "intervals" }, element("thead", {}, head), element("tbody", {}, shown.map((one, index) => intervalRow(one, scale, index)))),
    all.length > shown.length ? element("p", { class: "hint" }, `The first ${shown.length} of ${integer(all.length)} variants.`) : "");
};
