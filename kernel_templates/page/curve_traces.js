// Traces of the learning curve: evaluations, rewards, best model, seams and lost steps; means of variants.

const interpolated = (steps, scores, at) => {
  if (!steps.length || at < steps[0] || at > steps.at(-1)) return null;
  let [low, high] = [0, steps.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= at) low = middle;
    else high = middle;
  }
  if (steps[low] === at || high === low) return scores[low];
  return scores[low] + ((scores[high] - scores[low]) * (at - steps[low])) / (steps[high] - steps[low]);
};

/** Scores that choose a best model are evaluations; others are what a script reported. */
const scoreWord = (trainings) => (trainings.some(({ curve }) => curve.steps.length && curve.best_steps === null) ? "score (as reported)" : "evaluation");

const MOST_MEANS = 200; // points of a mean

const thinned = (steps) => {
  const every = Math.ceil(steps.length / MOST_MEANS);
  return steps.filter((_, index) => index % every === 0 || index === steps.length - 1);
};

/** Mean, lowest and highest score of each variant, at the steps of all its evaluations. */
const meansOf = (trainings) => {
  const variants = grouped(trainings.filter(({ curve }) => curve.steps.length), variantKey);
  return [...variants.values()].map((seeds) => {
    const label = variantOf(seeds[0]);
    const curves = seeds.map(({ curve }) => curve);
    const all = thinned([...new Set(curves.flatMap((curve) => curve.steps))].sort((one, other) => one - other));
    const found = { label, seeds: curves.length, steps: [], mean: [], low: [], high: [], counts: [] };
    for (const at of all) {
      const values = curves.map((curve) => interpolated(curve.steps, curve.scores, at)).filter((value) => value !== null);
      found.steps.push(at);
      found.mean.push(values.reduce((sum, value) => sum + value, 0) / values.length);
      found.low.push(Math.min(...values));
      found.high.push(Math.max(...values));
      found.counts.push(values.length);
    }
    return found;
  });
};

const meanTraces = (groups, panel) => {
  const traces = [];
  const legend = [];
  groups.forEach((one, index) => {
    const { colour, dash } = styleOf(index);
    const shared = { x: one.steps, yaxis: panel.over, legendgroup: `mean ${one.label}`, type: "scatter" };
    const edge = { ...shared, mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
    traces.push({ ...edge, y: one.low }, { ...edge, y: one.high, fill: "tonexty", fillcolor: translucent(colour, 0.16) });
    traces.push({ ...shared, y: one.mean, mode: "lines", line: { color: colour, width: 2.2, dash }, hoverinfo: "text",
      hovertext: one.steps.map((at, n) => lines(`<b>${plotText(one.label)}</b>`, `step ${integer(at)}`, `mean ${number(one.mean[n])} over ${plural(one.counts[n], "seed")}`, `from ${number(one.low[n])} to ${number(one.high[n])}`)) });
    legend.push({ text: `${clean(one.label)} (${plural(one.seeds, "seed")})`, style: { colour, dash, width: 2.2 }, group: shared.legendgroup });
  });
  return { traces, legend };
};

const trainingTraces = (trainings, panels) => {
  const single = trainings.length === 1;
  const traces = [];
  const legend = [];
  for (const panel of panels) {
    traces.push(...lostOf(trainings, panel, single));
    if (single) traces.push(...seamLines(trainings[0], panel));
    trainings.forEach((one, index) => traces.push(...dataTraces(one, index, panel, single)));
    if (!single) traces.push(...seamMarks(trainings, panel));
  }
  if (single) legend.push(...singleLegend(trainings[0]));
  else trainings.forEach((one, index) => legend.push({ text: nameOf(one), style: { ...styleOf(index), width: 2.2 }, group: one.lineage_id }));
  legend.push(...sharedLegend(trainings, single));
  return { traces, legend };
};

const dataTraces = (training, index, panel, single) => {
  const { curve } = training;
  const { colour, dash } = styleOf(index);
  const name = single ? "" : `<b>${plotText(nameOf(training))}</b>`;
  const group = (kind) => (single ? kind : training.lineage_id);
  const shared = { type: "scatter", yaxis: panel.over, hoverinfo: "text" };
  const traces = [];
  if (panel.rewards && curve.reward_steps.length) {
    traces.push({ ...shared, x: curve.reward_steps, y: curve.rewards, mode: "lines", legendgroup: "rewards",
      line: { color: single ? colours().grey : translucent(colour, 0.45), width: 1.1, dash: single ? "solid" : dash },
      hovertext: curve.reward_steps.map((at, n) => lines(name, `step ${integer(at)}`, `training reward ${number(curve.rewards[n])}`)) });
  }
  if (panel.scores && curve.steps.length) {
    traces.push({ ...shared, x: curve.steps, y: curve.scores, mode: curve.steps.length > 60 ? "lines" : "lines+markers", legendgroup: group("scores"),
      line: { color: colour, width: 2.2, dash }, marker: { color: colour, size: single ? 6 : 4 },
      hovertext: curve.steps.map((at, n) => lines(name, `step ${integer(at)}`, `${scoreWord([training])} ${number(curve.scores[n])}`)) });
  }
  if (panel.scores && curve.best_steps !== null && curve.best_score !== null) {
    traces.push({ ...shared, x: [curve.best_steps], y: [curve.best_score], mode: "markers", legendgroup: group("best"), meta: "best", cliponaxis: false,
      marker: { symbol: "star", size: 16, color: single ? colours().orange : colour, line: { color: colours().ink, width: 1 } },
      hovertext: [lines(name, "<b>best model</b>", `step ${integer(curve.best_steps)}`, `evaluation ${number(curve.best_score)}`)] });
  }
  return traces;
};

const seamText = (seam, training) =>
  lines(`<b>seam: ${plotText(gradeWord(seam.grade))}</b>`, training ? plotText(nameOf(training)) : "", `step ${integer(seam.steps)}`,
    gradeOf(seam.grade).meaning, `continued by ${plotText(seam.session)}`, ...seam.reasons.slice(0, 6).map((reason) => `· ${plotText(reason, 80)}`),
    seam.reasons.length > 6 ? `· and ${seam.reasons.length - 6} more` : "");

const gradeColour = (grade) => ({ good: colours().green, warn: colours().purple, bad: colours().vermilion, plain: colours().faint })[gradeOf(grade).tone];

const byGrade = (seams) => grouped(seams, ({ seam }) => seam.grade);

const LINE_HEIGHTS = Array.from({ length: 21 }, (_, index) => index / 20); // points of a line, so that all of it has a hover

const seamLines = (training, panel) => {
  const traces = [];
  const atStep = grouped(training.curve.seams, ({ steps }) => steps); // several sessions may continue from one step
  for (const [grade, seams] of byGrade(training.curve.seams.map((seam) => ({ seam })))) {
    const trace = { type: "scatter", mode: "lines+markers", yaxis: panel.under, hoverinfo: "text", legendgroup: `seam ${grade}`, cliponaxis: false, x: [], y: [], hovertext: [],
      line: { color: gradeColour(grade), width: 1.6, dash: gradeOf(grade).dash }, marker: { color: gradeColour(grade), symbol: gradeOf(grade).marker, opacity: 1, size: [] } };
    for (const { seam } of seams) {
      const text = lines(...atStep.get(seam.steps).map((one) => seamText(one)));
      for (const height of LINE_HEIGHTS) {
        trace.x.push(seam.steps);
        trace.y.push(height);
        trace.marker.size.push(height === 1 ? 10 : 0);
        trace.hovertext.push(text);
      }
      trace.x.push(null);
      trace.y.push(null);
      trace.marker.size.push(0);
      trace.hovertext.push("");
    }
    traces.push(trace);
  }
  return traces;
};

/** With several trainings: a mark on each curve instead of a line over the whole height. */
const seamMarks = (trainings, panel) => {
  const all = trainings.flatMap((training, index) => training.curve.seams.map((seam) => ({ seam, training, index })));
  const height = ({ seam, training: { curve } }) => {
    const [steps, values] = panel.scores && curve.steps.length ? [curve.steps, curve.scores] : [curve.reward_steps, curve.rewards];
    if (!steps.length) return null;
    return interpolated(steps, values, Math.min(Math.max(seam.steps, steps[0]), steps.at(-1)));
  };
  return [...byGrade(all)].map(([grade, seams]) => ({
    type: "scatter", mode: "markers", yaxis: panel.over, hoverinfo: "text", legendgroup: `seam ${grade}`, cliponaxis: false,
    x: seams.map(({ seam }) => seam.steps), y: seams.map(height), hovertext: seams.map(({ seam, training }) => seamText(seam, training)),
    marker: { symbol: gradeOf(grade).marker, size: 8, color: seams.map(({ index }) => styleOf(index).colour), line: { color: colours().paper, width: 1 } },
  }));
};

/** Hatched regions: over the whole height for one training, in a low lane of its own for each of several. */
const lostOf = (trainings, panel, single) => {
  let lane = 0;
  return trainings.flatMap((one, index) => (one.curve.wasted.length ? [lostTrace(one, index, panel, single, lane++)] : []));
};

const lostTrace = (training, index, panel, single, lane) => {
  const { wasted } = training.curve;
  const colour = single ? colours().faint : styleOf(index).colour;
  return {
    type: "bar", yaxis: panel.under, hoverinfo: "text", legendgroup: "lost",
    x: wasted.map((one) => (one.steps_from + one.steps_to) / 2), width: wasted.map((one) => one.steps_to - one.steps_from),
    base: wasted.map(() => (single ? 0 : 0.035 * (lane % 12))), y: wasted.map(() => (single ? 1 : 0.03)),
    marker: { color: colour, line: { color: colour, width: single ? 0 : 0.5 }, pattern: { shape: "/", fillmode: "replace", fgcolor: colour, bgcolor: translucent(colour, 0.08), size: 8, solidity: 0.16 } },
    hovertext: wasted.map((one) => lines(`<b>lost: ${integer(one.steps_to - one.steps_from)} steps</b>`, single ? "" : plotText(nameOf(training)),
      `from ${integer(one.steps_from)} to ${integer(one.steps_to)}`, `session ${plotText(one.session)}`, "trained after its last save, and trained again")),
  };
};

const singleLegend = (training, { curve } = training) => [
  curve.steps.length ? { text: scoreWord([training]), style: { ...styleOf(0), width: 2.2, marker: "circle" }, group: "scores" } : null,
  curve.reward_steps.length ? { text: "training reward", style: { colour: colours().grey, dash: "solid", width: 1.2 }, group: "rewards" } : null,
  curve.best_steps !== null ? { text: "best model", style: { colour: colours().orange, marker: "star" }, group: "best" } : null,
].filter(Boolean);

const sharedLegend = (trainings, single) => {
  const entries = [];
  if (!single && trainings.some(({ curve }) => curve.reward_steps.length)) {
    entries.push({ text: "training rewards", style: { colour: colours().faint, width: 1.2 }, group: "rewards" });
  }
  if (!single && trainings.some(({ curve }) => curve.best_steps !== null)) {
    entries.push({ text: "best model", style: { colour: colours().faint, marker: "star" }, group: "best" });
  }
  for (const [grade, seams] of byGrade(trainings.flatMap(({ curve }) => curve.seams.map((seam) => ({ seam }))))) {
    const style = single ? { colour: gradeColour(grade), dash: gradeOf(grade).dash, width: 1.8, upright: true } : { colour: colours().faint, marker: gradeOf(grade).marker };
    entries.push({ text: `seam: ${gradeWord(grade)} (${seams.length})`, style, group: `seam ${grade}` });
  }
  if (trainings.some(({ curve }) => curve.wasted.length)) {
    entries.push({ text: "lost steps", style: { area: true, colour: colours().faint, pattern: "/" }, group: "lost" });
  }
  return entries;
};
