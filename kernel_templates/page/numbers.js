// Every number with the session, the code and the command that made it.

const NUMBER_COLUMNS = [
  { key: "name", title: "Number", width: 250, value: (one) => clean(one.name), cell: (one) => whole(clean(one.name)) },
  { key: "value", title: "Value", width: 110, numeric: true, value: (one) => one.value, cell: (one) => element("span", { title: String(one.value) }, number(one.value)) },
  { key: "training", title: "Training", width: 180, value: (one) => one.training, cell: (one) => whole(one.training) },
  { key: "session", title: "Session", width: 210, value: (one) => clean(one.source.session), cell: (one) => element("code", { title: one.source.session }, one.source.session) },
  { key: "digest", title: "Code", width: 130, value: (one) => one.source.digest, cell: (one) => digest(one.source.digest) },
  { key: "command", title: "Command", width: 330, value: (one) => clean(one.source.command), cell: (one) => command(one.source.command) },
];

// A page of very many trainings states the code and the command once, with the session and with the training.
const wholeSource = (source, codes, command) =>
  ({ session: source.session, digest: source.digest || codes.get(source.session) || "", command: source.command || command });

const numbersOf = (training, codes) => training.numbers.map((one) =>
  ({ ...one, source: wholeSource(one.source, codes, training.command), training: nameOf(training) }));

const codesOf = (page) => new Map(page.sessions.map((one) => [one.slug, one.code_digest]));

const allNumbers = (page, codes = codesOf(page)) => [
  ...page.trainings.flatMap((training) => numbersOf(training, codes)),
  ...page.intervals.map((one) => ({ name: `mean ${one.measure}`, value: one.mean, source: one.source, training: `${clean(one.variant)} (${plural(one.n, "seed")})` })),
];

const drawNumbers = () => {
  const all = allNumbers(view.page);
  const section = part("numbers");
  const words = view.numbers.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = words.length ? all.filter((one) => words.every((word) => [one.name, one.training, one.source.session, one.source.digest].join("\n").toLowerCase().includes(word))) : all;
  section.hidden = !all.length;
  section.dataset.rows = rows.length;
  view.tables.numbers ??= new VirtualTable(slot("numbers", "table"), NUMBER_COLUMNS, { label: "Numbers", rowOf: (one) => ({ "data-number": one.name }) });
  view.tables.numbers.show(rows);
  slot("numbers", "count").textContent = rows.length === all.length ? plural(all.length, "number") : `${integer(rows.length)} of ${plural(all.length, "number")}`;
};
