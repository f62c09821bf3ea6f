// Text of the page: every text from the data passes `clean`, and enters the page as a text node.

const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[@-_]/g;
// Control characters, and marks that change the direction of the text that follows them.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/g;

const clean = (text) => String(text ?? "").replace(ESCAPES, "").replace(CONTROLS, "");

const short = (text, length) => {
  const letters = Array.from(clean(text));
  return letters.length > length ? letters.slice(0, length - 1).join("") + "…" : letters.join("");
};

/** A name that fits: its begin and its end stay, because the end often holds the seed. */
const middle = (text, length) => {
  const letters = Array.from(clean(text));
  const end = Math.min(8, length >> 1);
  return letters.length > length ? `${letters.slice(0, length - end - 1).join("")}…${letters.slice(-end).join("")}` : letters.join("");
};

/** Text for Plotly, which reads a few HTML tags in names, labels and hover texts. */
const plotText = (text, length = 120) =>
  short(text, length).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const lines = (...texts) => texts.filter(Boolean).join("<br>");

const properties = (node, given) => {
  for (const [name, value] of Object.entries(given || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.setAttribute("class", value);
    else node.setAttribute(name, value === true ? "" : clean(value));
  }
  return node;
};

const element = (tag, given, ...children) => {
  const node = properties(document.createElement(tag), given);
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === "") continue;
    node.append(child instanceof Node ? child : clean(child));
  }
  return node;
};

/** An entry of a list; its value stays as it is in the data, so that it can be found there again. */
const option = (value, text) => {
  const node = element("option", {}, text);
  node.value = value;
  return node;
};

const drawing = (tag, given, ...children) => {
  const node = properties(document.createElementNS("http://www.w3.org/2000/svg", tag), given);
  node.append(...children);
  return node;
};

/** Values by their key, in the order in which the keys first occur. */
const grouped = (values, keyOf) => {
  const groups = new Map();
  for (const value of values) {
    const key = keyOf(value);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(value);
  }
  return groups;
};

const part = (name) => document.querySelector(`[data-part="${name}"]`);
const slot = (name, inner) => part(name).querySelector(`[data-slot="${inner}"]`);
const control = (name) => document.querySelector(`[data-control="${name}"]`);

const INTEGER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SIGNIFICANT = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });

const integer = (value) => (value === null || value === undefined ? "" : INTEGER.format(value));

const number = (value) => {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e9 || size < 1e-4) ? value.toExponential(3) : SIGNIFICANT.format(value);
};

/** A number with as many decimals as its interval of this width warrants. */
const rounded = (value, width) => {
  if (!(width > 0)) return number(value);
  const decimals = 1 - Math.floor(Math.log10(width));
  return decimals > 8 ? value.toExponential(3) : value.toLocaleString("en", { minimumFractionDigits: Math.max(0, decimals), maximumFractionDigits: Math.max(0, decimals) });
};

const plural = (count, one, many = one + "s") => `${integer(count)} ${count === 1 ? one : many}`;

/** A time such as `2 d 4 h`, `3 h 12 min` or `45 s`: two units at most. */
const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = Math.max(0, seconds < 60 ? Math.round(seconds) : Math.round(seconds / 60) * 60);
  if (seconds >= 86400) rest = Math.round(seconds / 3600) * 3600;
  const found = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) found.push(`${count} ${unit}`);
  }
  return found.slice(0, 2).join(" ") || "0 s";
};

const rate = (value) => (value === null || value === undefined ? "" : `${number(Number(value.toPrecision(3)))} steps/s`);

const moment = (iso) => {
  const found = new Date(iso || NaN);
  return Number.isNaN(found.getTime()) ? null : found;
};

const LOCAL = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";

const local = (iso) => (moment(iso) ? LOCAL.format(moment(iso)) : clean(iso));
const utc = (iso) => (moment(iso) ? moment(iso).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC") : clean(iso));

/** A time in the reader's zone, with UTC in the hover. */
const time = (iso) => element("time", { datetime: clean(iso), title: utc(iso) }, local(iso));

/** Time of the day, with the whole time in UTC in the hover. */
const clock = (iso) => element("time", { datetime: clean(iso), title: utc(iso) }, moment(iso) ? CLOCK.format(moment(iso)) : clean(iso));

/** Milliseconds on an axis that shows the reader's zone. */
const onAxis = (iso) => {
  const found = moment(iso);
  return found ? found.getTime() - found.getTimezoneOffset() * 60000 : null;
};

/** A place on that axis for Plotly, which reads a number among the data as local time, and in the limits of an axis as UTC. */
const axisDate = (milliseconds) => new Date(milliseconds).toISOString().replace("T", " ").replace("Z", "");
