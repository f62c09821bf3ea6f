// Reads the data, draws all parts, and follows the reader's choices. The last of the joined files.

const SCHEMA = 1;

const view = {
  page: null, filter: "", state: "", numbers: "", mode: "", measure: "", left: "", right: "", theme: "", printing: false,
  chosen: new Set(), toggled: new Set(), tables: {},
};

const broken = (text) => {
  part("broken").textContent = text;
  part("broken").hidden = false;
};

const readData = () => {
  const again = "Make it again with `orchestrator report`.";
  const text = document.getElementById("page-data")?.textContent;
  if (!text) return void broken(`This page has no data. ${again}`);
  let page;
  try {
    page = JSON.parse(text);
  } catch (error) {
    return void broken(`The data of this page is damaged (${error.message}). ${again}`);
  }
  if (page === null || typeof page !== "object" || page.schema !== SCHEMA) {
    return void broken(`The data of this page has version ${clean(page?.schema ?? "unknown")}, and its script reads version ${SCHEMA}. ${again}`);
  }
  return page;
};

const drawCharts = () => {
  drawCurve();
  drawGantt();
};

// Each part with the data that it shows: an update draws a part again only if its data changed.
const PARTS = [
  { draw: drawHeadline, data: (page) => [page.headline, page.title, page.subject, page.trainings, page.sessions.length] },
  { draw: drawRunning, data: (page) => page.sessions.filter((one) => one.in_flight).map((one) => [one, sessionName(one)]) },
  { draw: () => { fillStates(); drawTrainings(); }, data: (page) => page.trainings.map((one) => ({ ...one, curve: null })) },
  { draw: drawIntervals, data: (page) => page.intervals },
  { draw: () => { fillCompare(); drawCompare(); }, data: (page) => page.trainings.map((one) => [one.lineage_id, nameOf(one), one.settings]) },
  { draw: drawEndings, data: (page) => page.trainings.map((one) => [nameOf(one), one.ending, one.earlier_endings]) },
  { draw: drawPictures, data: (page) => page.pictures },
  { draw: drawNumbers, data: (page) => [page.trainings.map((one) => one.numbers.length && [nameOf(one), one.numbers]), page.intervals] },
  { draw: drawCurve, data: (page) => page.trainings.map((one) => [one.lineage_id, nameOf(one), one.curve]) },
  { draw: drawGantt, data: (page) => [page.sessions, page.weeks, page.trainings.map(nameOf), page.sessions.some((one) => one.in_flight) && page.made_at] },
  { draw: drawAbout, data: (page) => [page.notes, page.left_out, page.made_at, page.command, page.versions] },
];

const update = (page) => {
  const drawn = view.page !== null;
  view.page = page;
  for (const one of PARTS) {
    const text = page.live ? JSON.stringify(one.data(page)) : "";
    if (drawn && text === one.text) continue;
    one.text = text;
    try {
      one.draw();
    } catch (error) {
      console.error(error);
      broken(`A part of this page could not be drawn (${error.message}). The other parts are complete.`);
    }
  }
  fillContents();
};

const fillContents = () => {
  const shown = [...document.querySelectorAll("main > section:not([hidden])")];
  const names = shown.map((section) => section.id).join(" ");
  if (part("contents").dataset.names === names) return;
  part("contents").dataset.names = names;
  part("contents").hidden = shown.length < 2;
  part("contents").replaceChildren(...shown.map((section) => element("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)));
};

const listen = () => {
  const on = (name, event, react) => control(name).addEventListener(event, () => react(control(name).value));
  on("filter", "input", (value) => { view.filter = value; drawTrainings(); });
  on("state", "change", (value) => { view.state = value; drawTrainings(); });
  on("numbers", "input", (value) => { view.numbers = value; drawNumbers(); });
  on("mode", "change", (value) => { view.mode = value; drawCurve(); });
  on("measure", "change", (value) => { view.measure = value; drawIntervals(); });
  on("left", "change", (value) => { view.left = value; drawCompare(); });
  on("right", "change", (value) => { view.right = value; drawCompare(); });
  document.querySelector('[data-action="theme"]').addEventListener("click", toggleTheme);
  document.querySelector('[data-action="clear"]').addEventListener("click", () => { view.chosen.clear(); drawTrainings(); drawChosen(); });
  prefersDark.addEventListener("change", () => { if (applyTheme()) drawCharts(); });
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  printing.addEventListener("change", () => print(printing.matches));
  new ResizeObserver(redrawLater).observe(document.querySelector(".page"));
};

let width = 0;
let waiting = 0;
const redrawLater = () => {
  const now = document.querySelector(".page").clientWidth;
  if (now === width || view.printing) return;
  width = now;
  clearTimeout(waiting);
  waiting = setTimeout(drawCharts, 60);
};

/** On paper: light, every fold open, the first rows of each table. */
const print = (begins) => {
  if (view.printing === begins) return;
  view.printing = begins;
  for (const fold of document.querySelectorAll("details")) {
    if (begins) {
      fold.dataset.before = fold.open;
      fold.open = true;
    } else fold.open = fold.dataset.before === "true";
  }
  drawCharts();
  for (const table of Object.values(view.tables)) table.draw();
};

const begin = async () => {
  view.theme = remembered();
  applyTheme();
  const page = readData();
  if (!page) {
    part("about").hidden = true;
    document.documentElement.dataset.ready = "broken";
    return;
  }
  await unpackPlotly();
  width = document.querySelector(".page").clientWidth;
  update(page);
  listen();
  if (page.live) {
    followInSight();
    document.addEventListener("visibilitychange", followInSight);
  }
  document.documentElement.dataset.ready = "1";
};

begin();
