// The answer, the facts at a glance, what runs now, and the last part: about this page.

const GRADE_ORDER = ["exact", "statistical", "weights-only", "refuse"];

/** The sentence after the word of the verdict, which it does not repeat. */
const answerText = (text, word) => {
  const rest = clean(text).replace(/^Verdict: [a-z ]+(, (?=at )|\.$)/, "");
  if (rest === `${word}.`) return "";
  return rest.startsWith(`${word}: `) ? rest.slice(word.length + 2) : rest;
};

const drawHeadline = () => {
  const { headline, subject, title } = view.page;
  const { word, symbol, tone } = verdictOf(headline.verdict);
  part("headline").dataset.verdict = headline.verdict;
  document.title = clean(title);
  slot("headline", "subject").textContent = clean(subject);
  slot("headline", "title").textContent = clean(title);
  slot("headline", "answer").replaceChildren(
    element("p", { class: `answer ${tone}` }, element("span", { class: "symbol", "aria-hidden": "true" }, symbol), element("b", {}, word), element("span", { dir: "auto" }, answerText(headline.text, word))),
    headline.lines.length ? element("ul", { class: "lines" }, headline.lines.map((line) => element("li", { dir: "auto" }, clean(line).replaceAll(" %", "\u00a0%")))) : "",
    provenance(headline.source) || "");
  drawFacts();
};

const drawFacts = () => {
  const { trainings, sessions } = view.page;
  const sum = (count) => trainings.reduce((total, one) => total + (count(one) || 0), 0);
  const states = (name) => trainings.filter((one) => one.state === name).length;
  const worst = GRADE_ORDER.findLast((grade) => trainings.some((one) => one.grade === grade));
  const lost = sum((one) => one.curve.wasted_steps);
  const seams = sum((one) => one.curve.seams.length);
  const details = ["done", "in flight", "failed"].map((state) => [states(state), state]).filter(([count]) => count).map(([count, state]) => `${integer(count)} ${state}`).join(", ");
  const facts = [
    ["Trainings", integer(trainings.length), details],
    ["Steps", integer(sum((one) => one.steps)), lost ? `${integer(lost)} lost and trained again` : "none lost"],
    ["Sessions", integer(sum((one) => one.sessions) || sessions.length), `${duration(sum((one) => one.wall_s))} in all`],
    ["Seams", integer(seams), worst ? `worst grade: ${worst}` : seams ? "grade not known yet" : "no session was resumed"],
  ];
  part("facts").hidden = !trainings.length;
  part("facts").replaceChildren(...facts.map(([name, value, detail]) => element("div", {}, element("dt", {}, name), element("dd", {}, value), element("dd", { class: "detail" }, detail))));
};

const MOST_RUNNING = 12;

const runningCard = (session) => {
  const name = sessionName(session);
  const share = session.target_steps ? Math.min(1, (session.steps_done || 0) / session.target_steps) : 0;
  const gauge = element("span", { class: "gauge", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(100 * share), "aria-label": `Progress of ${session.slug}` }, element("span", {}));
  gauge.firstChild.style.width = `${100 * share}%`;
  const parts = [session.steps_per_s === null ? "" : rate(session.steps_per_s), session.eta_s === null ? "" : `${duration(session.eta_s)} left`, [clean(session.backend), clean(session.kind)].filter(Boolean).join(" ")];
  return element("div", { class: "run", "data-running": session.slug }, element("b", { dir: "auto", title: session.slug }, middle(name, 40)),
    element("span", {}, session.steps_done === null ? "steps unknown" : `${integer(session.steps_done)}${session.target_steps === null ? "" : ` / ${integer(session.target_steps)}`} steps`), gauge,
    element("span", { class: "faint" }, parts.filter(Boolean).join(" · "), session.reported_at ? " · report of " : "", session.reported_at ? clock(session.reported_at) : ""));
};

const drawRunning = () => {
  const running = view.page.sessions.filter((one) => one.in_flight);
  part("running").hidden = !running.length;
  part("running").dataset.running = running.length;
  slot("running", "body").replaceChildren(...running.slice(0, MOST_RUNNING).map(runningCard), running.length > MOST_RUNNING ? element("p", { class: "hint" }, `and ${integer(running.length - MOST_RUNNING)} more, below`) : "");
};

const listed = (name, title, sentences) =>
  sentences.length ? element("div", { class: name }, element("h3", {}, title), element("ul", {}, sentences.map((one) => element("li", { dir: "auto" }, one)))) : "";

const drawAbout = () => {
  const { notes, left_out: leftOut, made_at, command: again, versions, live } = view.page;
  const found = Object.entries(versions).map(([name, version]) => `${clean(name)} ${clean(version)}`).join(", ");
  slot("about", "body").replaceChildren(
    listed("notes", "What could not be read", notes),
    listed("left-out", "Left out to keep the page small", leftOut),
    element("p", {}, live ? "Read " : "Made ", time(made_at), `. Times are those of ${ZONE}; hover over one for UTC. Make the page again with `, command(again) || "the same command", "."),
    found ? element("p", { class: "faint" }, `Versions: ${found}.`) : "");
  Object.assign(part("about").dataset, { notes: notes.length, leftOut: leftOut.length });
};
