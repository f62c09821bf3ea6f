// The table of trainings: sort, filter, selection.

const stepsCell = (training) => {
  const share = training.target_steps ? Math.min(1, training.steps / training.target_steps) : 0;
  const gauge = element("span", { class: "gauge", "aria-hidden": "true" }, element("span", {}));
  gauge.firstChild.style.width = `${100 * share}%`;
  const text = training.target_steps === null ? integer(training.steps) : `${integer(training.steps)} / ${integer(training.target_steps)}`;
  return [element("span", {}, text), training.target_steps ? gauge : null];
};

const whole = (text) => element("span", { title: text }, text);

const mark = (training) => {
  const chosen = view.chosen.has(training.lineage_id);
  return element("span", { class: chosen ? "box checked" : "box", role: "checkbox", "aria-checked": String(chosen), "aria-label": `Draw ${nameOf(training)}` }, chosen ? "✓" : "");
};

const gradeCell = ({ grade, curve }) => {
  const unknown = curve.seams.filter((seam) => !seam.grade).length;
  if (!grade) return element("span", { class: "faint", title: unknown ? "resumed, grade not known yet" : "no seam" }, unknown ? "not known yet" : "no seam");
  const found = chip(clean(grade), gradeOf(grade));
  if (unknown) found.title = `${plural(unknown, "seam")} of ${curve.seams.length}: grade not known yet`;
  return found;
};

const SECTION_COLUMN = { key: "section", title: "Section", width: 130, value: (one) => clean(one.section), cell: (one) => whole(clean(one.section)) };
const PROFILE_COLUMN = { key: "profile", title: "Profile", width: 84, value: (one) => clean(one.profile), cell: (one) => whole(clean(one.profile)) };

/** The columns; section and profile have one each where the page has several. */
const trainingColumns = () => {
  const { sections, profiles } = contents(view.page);
  const [chosen, label, ...others] = TRAINING_COLUMNS;
  return [chosen, ...(sections ? [SECTION_COLUMN] : []), label, ...(profiles ? [PROFILE_COLUMN] : []), ...others];
};

const TRAINING_COLUMNS = [
  { key: "chosen", title: "Draw", class: "chosen-cell", width: 58, cell: mark },
  { key: "label", title: "Training", width: 150, value: (one) => clean(one.label), cell: (one) => whole(clean(one.label)) },
  { key: "seed", title: "Seed", width: 66, numeric: true, value: (one) => one.seed, cell: (one) => String(one.seed ?? "") },
  { key: "state", title: "State", width: 142, value: (one) => one.state, cell: (one) => chip(clean(one.state), stateOf(one.state)) },
  { key: "steps", title: "Steps / target", width: 172, numeric: true, value: (one) => one.steps, cell: stepsCell },
  { key: "rate", title: "Rate", width: 132, numeric: true, value: (one) => one.rate, cell: (one) => rate(one.rate) },
  { key: "eta", title: "ETA", width: 84, numeric: true, value: (one) => one.eta_s, cell: (one) => duration(one.eta_s) },
  { key: "grade", title: "Grade", width: 128, value: (one) => gradeRank(one.grade), cell: (one) => gradeCell(one) },
  { key: "verdict", title: "Verdict", width: 124, value: (one) => one.verdict, cell: (one) => (one.verdict ? chip(verdictOf(one.verdict).short || verdictOf(one.verdict).word, verdictOf(one.verdict)) : "") },
  { key: "why", title: "Why", width: 150, value: (one) => clean(one.why), cell: (one) => whole(clean(one.why)) },
  { key: "sessions", title: "Sessions", class: "extra", width: 90, numeric: true, value: (one) => one.sessions, cell: (one) => integer(one.sessions) },
  { key: "wall", title: "Time", class: "extra", width: 96, numeric: true, value: (one) => one.wall_s, cell: (one) => duration(one.wall_s) },
  { key: "policy", title: "Final policy", class: "extra", width: 130, value: (one) => one.policy_digest, cell: (one) => digest(one.policy_digest) },
  { key: "command", title: "Command", class: "extra", width: 360, value: (one) => clean(one.command), cell: (one) => command(one.command) },
];

const gradeRank = (grade) => (grade ? String(Object.keys(GRADES).indexOf(grade)) + grade : "");

const searched = new WeakMap(); // text of each training, in lower case
const textOf = (training) => {
  if (!searched.has(training)) {
    searched.set(training, [training.label, training.seed, training.state, training.grade, training.verdict, training.why, training.section, training.profile, training.lineage_id].join("\n").toLowerCase());
  }
  return searched.get(training);
};

const passing = () => {
  const words = view.filter.toLowerCase().split(/\s+/).filter(Boolean);
  return view.page.trainings.filter((one) => (!view.state || one.state === view.state) && words.every((word) => textOf(one).includes(word)));
};

const makeTrainings = (columns) =>
  new VirtualTable(slot("trainings", "table"), columns, {
    label: "Trainings",
    rowOf: (one) => ({ "data-lineage": one.lineage_id, "data-state": one.state, class: view.chosen.has(one.lineage_id) ? "chosen" : null }),
    onToggle: (one) => {
      if (!view.chosen.delete(one.lineage_id)) view.chosen.add(one.lineage_id);
      drawChosen();
    },
  });

const fillStates = () => {
  const counts = new Map();
  for (const { state } of view.page.trainings) counts.set(state, (counts.get(state) || 0) + 1);
  const select = control("state");
  const key = JSON.stringify([...counts]);
  if (select.dataset.key === key) return; // an open list stays open
  select.dataset.key = key;
  if (view.state && !counts.has(view.state)) counts.set(view.state, 0);
  select.replaceChildren(option("", "all"), ...[...counts].sort().map(([state, count]) => option(state, `${short(state, 40)} (${integer(count)})`)));
  select.value = view.state;
};

const drawTrainings = () => {
  const rows = passing();
  const section = part("trainings");
  section.hidden = !view.page.trainings.length;
  const columns = trainingColumns();
  const before = view.tables.trainings;
  if (before?.columns.length !== columns.length) {
    view.tables.trainings = makeTrainings(columns);
    if (before) view.tables.trainings.sort = before.sort;
  }
  view.tables.trainings.show(rows);
  section.dataset.rows = rows.length;
  section.dataset.chosen = view.chosen.size;
  const total = view.page.trainings.length;
  slot("trainings", "count").textContent = rows.length === total ? plural(total, "training") : `${integer(rows.length)} of ${plural(total, "training")}`;
  section.querySelector('[data-action="clear"]').hidden = !view.chosen.size;
};

/** After a change of the selection: all parts that follow it. */
const drawChosen = () => {
  part("trainings").dataset.chosen = view.chosen.size;
  part("trainings").querySelector('[data-action="clear"]').hidden = !view.chosen.size;
  drawCharts();
  fillCompare();
  drawCompare();
};
