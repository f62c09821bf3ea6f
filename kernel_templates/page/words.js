// Words with a symbol and a tone for verdicts, states, grades and end reasons: never colour alone.

const VERDICTS = {
  supported: { word: "Supported", symbol: "✓", tone: "good" },
  not_supported: { word: "Not supported", symbol: "✗", tone: "bad" },
  inconclusive: { word: "Inconclusive", symbol: "?", tone: "warn" },
  invalid: { word: "Invalid", symbol: "!", tone: "bad" },
  "no claim": { word: "Finished, no claim", short: "No claim", symbol: "■", tone: "plain" },
  unfinished: { word: "Unfinished", symbol: "…", tone: "info" },
  "": { word: "No training yet", symbol: "○", tone: "plain" },
};

const STATES = {
  done: { symbol: "✓", tone: "good" },
  failed: { symbol: "✗", tone: "bad" },
  stale: { symbol: "!", tone: "warn" },
  "in flight": { symbol: "▶", tone: "info" },
  "between sessions": { symbol: "‖", tone: "info" },
  waiting: { symbol: "…", tone: "plain" },
  pruned: { symbol: "–", tone: "plain" },
};

const GRADES = {
  exact: { symbol: "=", tone: "good", dash: "solid", marker: "circle", meaning: "the same training, bit for bit" },
  statistical: { symbol: "≈", tone: "warn", dash: "dash", marker: "diamond", meaning: "the same training with other rounding" },
  "weights-only": { symbol: "≠", tone: "bad", dash: "dot", marker: "x", meaning: "a new training from these weights" },
  refuse: { symbol: "✗", tone: "bad", dash: "longdashdot", marker: "square", meaning: "the weights do not fit" },
  "": { symbol: "–", tone: "plain", dash: "dashdot", marker: "circle-open", meaning: "the grade is unknown" },
};

// Colour of `theme.js` and pattern of each end reason.
const ENDS = {
  finished: { colour: "green", pattern: "" },
  paused: { colour: "sky", pattern: "" },
  stopped: { colour: "sky", pattern: "-" },
  wall_limit: { colour: "orange", pattern: "/" },
  crashed: { colour: "vermilion", pattern: "x" },
  section_failed: { colour: "vermilion", pattern: "\\" },
  disk_full: { colour: "vermilion", pattern: "|" },
  checkpoint_unusable: { colour: "vermilion", pattern: "." },
  stale_results: { colour: "purple", pattern: "/" },
  carrier_missing: { colour: "purple", pattern: "-" },
  refused: { colour: "purple", pattern: "x" },
  cancelled: { colour: "grey", pattern: "\\" },
  never_submitted: { colour: "grey", pattern: "." },
  "": { colour: "yellow", pattern: "" },
};
const OTHER_END = { colour: "grey", pattern: "+" };

const known = (table, key, other) => (Object.hasOwn(table, key) ? table[key] : other);

const verdictOf = (key) => known(VERDICTS, key, { word: clean(key), symbol: "?", tone: "plain" });
const stateOf = (key) => known(STATES, key, { symbol: "·", tone: "plain" });
const gradeOf = (key) => known(GRADES, key, GRADES[""]);
const endOf = (key) => known(ENDS, key, OTHER_END);

const endWord = (session) => (session.in_flight ? "in flight" : clean(session.end_reason).replaceAll("_", " ") || "unknown end");
const gradeWord = (grade) => clean(grade) || "unknown grade";

const chip = (word, { symbol, tone }) =>
  element("span", { class: `chip ${tone}` }, element("span", { class: "symbol", "aria-hidden": "true" }, symbol), word);

/** The trainings of the page by their identity, and whether they are of several sections and of several profiles. */
const overview = { page: null };
const contents = (page) => {
  if (overview.page !== page) {
    const several = (key) => new Set(page.trainings.map((one) => one[key])).size > 1;
    const trainings = new Map(page.trainings.map((one) => [one.lineage_id, one]));
    Object.assign(overview, { page, trainings, sections: several("section"), profiles: several("profile") });
  }
  return overview;
};

/** Trainings with the same key are seeds of one variant: only these are averaged. */
const variantKey = ({ section, profile, label }) => JSON.stringify([section, profile, label]);

/** Name of a variant: its label, with section and profile where the page has several. */
const variantOf = ({ label, section, profile }) => {
  const { sections, profiles } = contents(view.page);
  const has = label === section || label.startsWith(`${section},`); // a label without an algorithm begins with its section
  const named = sections && !has ? `${clean(section)} ${clean(label)}` : clean(label);
  return profiles && profile ? `${named}, ${clean(profile)}` : named;
};

/** Name of one training: its variant, with the seed where it has one. */
const nameOf = (training) => (training.seed === null ? variantOf(training) : `${variantOf(training)} · seed ${training.seed}`);

/** Name of the training of a session. */
const sessionName = (session) => {
  const training = contents(view.page).trainings.get(session.lineage_id);
  return training ? nameOf(training) : clean(session.training);
};

const copyButton = (text, label) =>
  element("button", { type: "button", class: "copy", title: `Copy: ${clean(text)}`, onclick: () => copy(clean(text)) }, label);

/** A command, with a button that copies it. */
const command = (text) =>
  text
    ? element("span", { class: "command" }, element("code", {}, text), copyButton(text, "Copy"))
    : null;

const digest = (text) => (text ? element("code", { class: "digest", title: text }, short(text, 13)) : null);

/** Session, digest and command that made a number or a picture; `brief`: the command is in the hover of its button. */
const provenance = (source, brief = false) =>
  source
    ? element("p", { class: "source" }, "From session ", element("code", {}, source.session || "unknown"),
        source.digest ? " · code " : null, digest(source.digest), source.command ? " · " : null,
        brief && source.command ? copyButton(source.command, "Copy command") : command(source.command))
    : null;

const copy = async (text) => {
  const notice = part("toast");
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    const area = element("textarea", { class: "offscreen", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  notice.textContent = done ? "Copied" : "The browser does not allow copying. Select the text and copy it.";
  notice.hidden = false;
  setTimeout(() => { notice.hidden = true; }, 1800);
};
