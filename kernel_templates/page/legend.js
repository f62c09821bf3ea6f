// Legends below the charts, as HTML: they never cover data, wrap on a phone, and each entry hides its traces.

const SWATCH = { width: 30, height: 14 };
const DASH = { solid: "", dash: "6 3", dot: "2 3", dashdot: "7 3 2 3", longdashdot: "10 3 2 3" };
const SHAPES = {
  circle: "M15 3a4 4 0 1 0 .01 0z", diamond: "M15 2l5 5-5 5-5-5z", x: "M11 3l8 8M19 3l-8 8", square: "M11 3h8v8h-8z",
  star: "M15 1l1.8 4 4.2.4-3.2 2.8 1 4.3L15 10.2l-3.8 2.3 1-4.3L9 5.4l4.2-.4z", "circle-open": "M15 3a4 4 0 1 0 .01 0z",
};
const STROKES = {
  "/": "M-2 10 10 -2M4 16 16 4M-8 4 4 -8", "\\": "M-2 2 10 14M2 -2 14 10", x: "M0 0 12 12M12 0 0 12", "+": "M0 6h12M6 0v12",
  "-": "M0 3h12M0 9h12", "|": "M3 0v12M9 0v12", ".": "M2 3h2M8 3h2M2 9h2M8 9h2",
};

let patterns = 0;

const filled = ({ colour, pattern, opacity, over }) => {
  const box = { x: 1, y: 1, width: 28, height: 12, rx: 2 };
  const drawn = [];
  if (!pattern || over) drawn.push(drawing("rect", { ...box, fill: colour, "fill-opacity": opacity || 1 }));
  if (!pattern) return drawn;
  const id = `pattern-${(patterns += 1)}`;
  const tile = drawing("pattern", { id, width: 12, height: 12, patternUnits: "userSpaceOnUse" },
    drawing("path", { d: known(STROKES, pattern, STROKES["/"]), stroke: over || colour, "stroke-width": 2, fill: "none" }));
  drawn.push(drawing("defs", {}, tile), drawing("rect", { ...box, fill: `url(#${id})`, stroke: colour }));
  return drawn;
};

const lined = ({ colour, dash, width, marker, opacity, upright }) => {
  const drawn = [];
  if (width) {
    drawn.push(drawing("path", { d: upright ? "M15 0v14" : "M1 7h28", stroke: colour, "stroke-width": width, "stroke-dasharray": known(DASH, dash, ""), "stroke-opacity": opacity || 1, fill: "none" }));
  }
  if (marker) {
    const open = marker === "x" || marker === "circle-open";
    drawn.push(drawing("path", { d: known(SHAPES, marker, SHAPES.circle), fill: open ? "none" : colour, stroke: colour, "stroke-width": open ? 2 : 0.5 }));
  }
  return drawn;
};

const swatch = (style) =>
  drawing("svg", { ...SWATCH, viewBox: `0 0 ${SWATCH.width} ${SWATCH.height}`, "aria-hidden": "true" },
    ...(style.area ? filled(style) : lined(style)));

/** Fill a legend. Entries: `text`, `style`, and the `group` of the traces that the entry shows or hides. */
const fillLegend = (name, entries, isHidden, redraw) => {
  slot(name, "legend").replaceChildren(...entries.map(({ text, style, group }) => {
    const toggle = () => {
      if (!view.toggled.delete(group)) view.toggled.add(group);
      redraw();
    };
    return element("li", {}, element("button", { type: "button", "aria-pressed": String(!isHidden(group)), title: `${text}: click to hide or show`, onclick: toggle },
      swatch(style), element("span", { dir: "auto" }, short(text, 48))));
  }));
};
