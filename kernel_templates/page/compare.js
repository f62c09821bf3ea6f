// What differs between the settings of two trainings.

const MOST_OPTIONS = 300;

const fillCompare = () => {
  const { trainings } = view.page;
  part("compare").hidden = trainings.length < 2;
  if (trainings.length < 2) return;
  const chosen = trainings.filter((one) => view.chosen.has(one.lineage_id));
  const ids = new Set(trainings.map((one) => one.lineage_id));
  if (chosen.length >= 2) [view.left, view.right] = [chosen.at(-2).lineage_id, chosen.at(-1).lineage_id];
  if (!ids.has(view.left)) view.left = trainings[0].lineage_id;
  if (!ids.has(view.right)) view.right = (trainings.find((one) => variantKey(one) !== variantKey(trainings[0])) || trainings[1]).lineage_id;
  const kept = new Set([view.left, view.right, ...view.chosen]);
  const offered = trainings.length > MOST_OPTIONS ? trainings.filter((one, index) => index < MOST_OPTIONS || kept.has(one.lineage_id)) : trainings;
  for (const side of ["left", "right"]) {
    control(side).replaceChildren(...offered.map((one) => option(one.lineage_id, middle(nameOf(one), 60))));
    control(side).value = view[side];
  }
};

const settingsOf = (lineage) => {
  const training = view.page.trainings.find((one) => one.lineage_id === lineage);
  return { training, settings: new Map(Object.entries(training.settings)) };
};

const settingRow = (key, left, right, differs) => {
  const cell = (value) => element("td", { dir: "auto" }, value === undefined ? element("span", { class: "faint" }, "not set") : clean(value));
  return element("tr", { "data-setting": key, "data-differs": String(differs) }, element("th", { scope: "row" }, key), cell(left), cell(right));
};

const settingTable = (rows, left, right, differs) =>
  element("div", { class: "box" }, element("table", { class: differs ? "settings differing" : "settings" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Setting"), element("th", { scope: "col", dir: "auto" }, nameOf(left)), element("th", { scope: "col", dir: "auto" }, nameOf(right)))),
    element("tbody", {}, rows)));

const drawCompare = () => {
  if (part("compare").hidden) return;
  const { training: left, settings: one } = settingsOf(view.left);
  const { training: right, settings: other } = settingsOf(view.right);
  const keys = [...new Set([...one.keys(), ...other.keys()])].sort(COLLATOR.compare);
  const differing = keys.filter((key) => one.get(key) !== other.get(key));
  const equal = keys.filter((key) => one.get(key) === other.get(key));
  const rows = (list, differs) => list.map((key) => settingRow(key, one.get(key), other.get(key), differs));
  Object.assign(part("compare").dataset, { differing: differing.length, equal: equal.length });
  const open = slot("compare", "body").querySelector("details")?.open;
  slot("compare", "body").replaceChildren(
    element("p", { class: "hint" }, view.left === view.right ? "Both are the same training." : differing.length ? `${plural(differing.length, "setting")} of ${integer(keys.length)} differ${differing.length === 1 ? "s" : ""}.` : `All ${plural(keys.length, "setting")} are equal.`),
    differing.length ? settingTable(rows(differing, true), left, right, true) : "",
    equal.length ? element("details", { open: open || false }, element("summary", {}, `${plural(equal.length, "equal setting")}`), settingTable(rows(equal, false), left, right, false)) : "");
};
