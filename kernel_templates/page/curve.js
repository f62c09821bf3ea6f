// The learning curve: which trainings are drawn, and how the chart is laid out.

const MOST_CURVES = 10;
const MOST_CHOSEN = 30;
const MOST_REWARDS = 3; // with more trainings, their rewards are drawn on demand
const PRINTED_WIDTH = 680; // pixels of A4 between its margins

const hasCurve = ({ curve }) => curve.steps.length > 0 || curve.reward_steps.length > 0;

/** The trainings that are drawn: the selected ones, or else the first ones. */
const drawnTrainings = () => {
  const all = view.page.trainings.filter(hasCurve);
  const chosen = all.filter((one) => view.chosen.has(one.lineage_id));
  const pool = chosen.length ? chosen : all;
  const seeds = new Map();
  for (const one of pool) seeds.set(variantKey(one), (seeds.get(variantKey(one)) || 0) + 1);
  const several = [...seeds.values()].some((count) => count > 1);
  const mode = several ? view.mode || (!chosen.length && all.length > MOST_CURVES ? "mean" : "each") : "each";
  return { all, chosen, pool, mode, several, each: pool.slice(0, chosen.length ? MOST_CHOSEN : MOST_CURVES) };
};

/** Whether evaluations and training rewards share a scale: their ranges overlap, so one panel shows both. */
const shareScale = (trainings) => {
  const range = (lists) => {
    let [low, high] = [Infinity, -Infinity];
    for (const list of lists) for (const value of list) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return [low, high];
  };
  const [low, high] = range(trainings.map((one) => one.curve.scores));
  const [under, over] = range(trainings.map((one) => one.curve.rewards));
  if (low > high || under > over) return true;
  const overlap = Math.min(high, over) - Math.max(low, under);
  return overlap >= 0.3 * Math.max(high - low, over - under);
};

const furthest = (trainings) =>
  trainings.reduce((most, { curve }) => Math.max(most, curve.steps.at(-1) || 0, curve.reward_steps.at(-1) || 0, ...curve.seams.map((seam) => seam.steps), ...curve.wasted.map((lost) => lost.steps_to)), 1);

// Each panel has two y axes: one from 0 to 1 for seams and lost steps, and over it the one of the data.
const panelsOf = (trainings, mode, hidesRewards) => {
  const scores = trainings.some((one) => one.curve.steps.length);
  const scored = scoreWord(trainings) === "evaluation" ? "Evaluation score" : "Score (as reported)";
  const rewards = mode === "each" && !(hidesRewards && scores) && trainings.some((one) => one.curve.reward_steps.length);
  if (!scores || !rewards || shareScale(trainings)) {
    const title = scores && rewards ? "Score and reward" : scores ? scored : "Training reward";
    return [{ scores, rewards, under: "y", over: "y2", title, domain: [0, 1] }];
  }
  return [
    { scores: true, rewards: false, under: "y", over: "y2", title: scored, domain: [0.42, 1] },
    { scores: false, rewards: true, under: "y3", over: "y4", title: "Training reward", domain: [0, 0.34] },
  ];
};

const curveLayout = (panels, trainings) => {
  const key = (name) => name.replace("y", "yaxis");
  const layout = layoutOf({
    height: panels.length > 1 ? 520 : 400, margin: { l: 56, r: 14, t: hasModebar() ? 34 : 12, b: 48 }, barmode: "overlay",
    xaxis: axis({ title: { text: "Steps", font: { color: colours().faint } }, autorangeoptions: { minallowed: 0, maxallowed: 1.02 * furthest(trainings) }, tickformat: "~s", anchor: "free", position: 0 }),
  });
  for (const { under, over, title, domain } of panels) {
    layout[key(under)] = { domain, range: [0, 1], fixedrange: true, visible: false };
    layout[key(over)] = axis({ domain, overlaying: under, side: "left", title: { text: title, font: { color: colours().faint }, standoff: 8 }, zeroline: false, tickmode: "auto" });
  }
  return layout;
};

const hasModebar = () => slot("curve", "plot").clientWidth > 600 && !view.printing;

const curveHint = ({ all, chosen, pool, mode, each }) => {
  const lost = each.reduce((sum, one) => sum + one.curve.wasted_steps, 0);
  const texts = [];
  if (mode === "mean") {
    texts.push(`Mean of each variant over ${plural(pool.length, "training")}; the band runs from the lowest to the highest seed. Where a seed ends early, the mean is that of the others.`);
    texts.push("Seams and lost steps are drawn for single trainings.");
  } else if (pool.length > each.length) {
    texts.push(`The first ${each.length} of ${integer(pool.length)} trainings with a curve. Select others in the table.`);
  } else if (chosen.length) {
    texts.push(`${plural(chosen.length, "selected training")} of ${integer(all.length)}.`);
  }
  if (mode === "each" && lost) texts.push(`${integer(lost)} steps were lost and trained again.`);
  return texts.join(" ");
};

const drawCurve = () => {
  const chosen = drawnTrainings();
  const section = part("curve");
  section.hidden = !chosen.all.length;
  if (!chosen.all.length) return;
  control("mode").closest("label").hidden = !chosen.several;
  control("mode").value = chosen.mode;
  slot("curve", "hint").textContent = curveHint(chosen);
  const groups = chosen.mode === "mean" ? meansOf(chosen.pool).slice(0, MOST_CURVES) : [];
  const isHidden = (group) => view.toggled.has(group) !== (group === "rewards" && chosen.each.length > MOST_REWARDS);
  const panels = panelsOf(chosen.mode === "mean" ? chosen.pool : chosen.each, chosen.mode, isHidden("rewards"));
  const drawn = chosen.mode === "mean" ? meanTraces(groups, panels[0]) : trainingTraces(chosen.each, panels);
  countCurve(section, chosen, groups);
  fillLegend("curve", drawn.legend, isHidden, drawCurve);
  for (const trace of drawn.traces) trace.visible = !isHidden(trace.legendgroup) && !(trace.meta && isHidden(trace.meta));
  const label = `Learning curve over steps of ${plural(chosen.mode === "mean" ? groups.length : chosen.each.length, chosen.mode === "mean" ? "variant" : "training")}.`;
  plot("curve", drawn.traces, curveLayout(panels, chosen.mode === "mean" ? chosen.pool : chosen.each), label);
};

const countCurve = (section, { mode, each }, groups) => {
  const sum = (count) => (mode === "mean" ? 0 : each.reduce((total, one) => total + count(one.curve), 0));
  Object.assign(section.dataset, {
    mode,
    curves: mode === "mean" ? groups.length : each.length,
    points: mode === "mean" ? groups.reduce((total, one) => total + one.steps.length, 0) : sum((curve) => curve.steps.length),
    rewards: sum((curve) => curve.reward_steps.length),
    seams: sum((curve) => curve.seams.length),
    wasted: sum((curve) => curve.wasted.length),
  });
};

/** Draw a chart, or state why it cannot be drawn. */
const plot = (name, traces, layout, label) => {
  const place = slot(name, "plot");
  if (!hasPlotly()) {
    place.replaceChildren(element("p", { class: "broken" }, `${withoutPlotly} Make the page again: ${view.page.command}`));
    return;
  }
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  layout.width = view.printing ? PRINTED_WIDTH : place.clientWidth || 640;
  Plotly.react(place, traces, layout, { ...CONFIG, displayModeBar: name === "curve" && hasModebar() });
};
