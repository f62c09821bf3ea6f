// Light and dark, with the colours of the charts: those of Okabe and Ito, lighter on dark where they need it.

const PALETTES = {
  light: {
    blue: "#0072B2", orange: "#E69F00", green: "#009E73", vermilion: "#D55E00", purple: "#b5608f", sky: "#56B4E9",
    yellow: "#F0E442", grey: "#8a9099", ink: "#1b2027", faint: "#5b6470", line: "#dfe3e8", paper: "#ffffff", band: "#0072B2",
  },
  dark: {
    blue: "#4aa8e8", orange: "#f0b429", green: "#2fc59b", vermilion: "#ff8a4c", purple: "#e3a0c6", sky: "#8fd0f7",
    yellow: "#F0E442", grey: "#99a2ae", ink: "#e7eaee", faint: "#a6afba", line: "#333b45", paper: "#171b21", band: "#8fd0f7",
  },
};
const ORDER = ["blue", "vermilion", "green", "purple", "orange", "sky", "grey"];
const DASHES = ["solid", "dash", "dot", "dashdot"];

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const printing = matchMedia("print");

const remembered = () => {
  try {
    return localStorage.getItem("orchestrator-page-theme") || "";
  } catch {
    return ""; // a viewer without storage
  }
};

const theme = () => document.documentElement.dataset.theme;
const colours = () => PALETTES[printing.matches || view.printing ? "light" : theme()];

/** Colour and dash of the n-th curve: seven colours, then the same ones with another dash. */
const styleOf = (index) => ({
  colour: colours()[ORDER[index % ORDER.length]],
  dash: DASHES[Math.floor(index / ORDER.length) % DASHES.length],
});

const applyTheme = () => {
  const wanted = view.theme || (prefersDark.matches ? "dark" : "light");
  const changed = theme() !== wanted;
  document.documentElement.dataset.theme = wanted;
  const button = document.querySelector('[data-action="theme"]');
  button.textContent = wanted === "dark" ? "☀ Light" : "☾ Dark";
  button.setAttribute("aria-label", `Switch to the ${wanted === "dark" ? "light" : "dark"} theme`);
  return changed;
};

const toggleTheme = () => {
  view.theme = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("orchestrator-page-theme", view.theme);
  } catch {
    // The choice lasts until the page is closed.
  }
  applyTheme();
  drawCharts();
};

const translucent = (hex, alpha) => {
  const value = parseInt(hex.slice(1), 16);
  return `rgba(${value >> 16}, ${(value >> 8) & 255}, ${value & 255}, ${alpha})`;
};

// An axis without a range of its own keeps the reader's zoom over updates; `uirevision` cares for that.
const axis = (given) => ({
  gridcolor: colours().line, linecolor: colours().line, zerolinecolor: colours().line, tickcolor: colours().line,
  tickfont: { color: colours().faint, size: 12 }, automargin: true, ...given,
});

const FAMILY = "system-ui, -apple-system, Segoe UI, Roboto, Liberation Sans, sans-serif";

const layoutOf = (given) => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest", hoverdistance: 14,
  font: { family: FAMILY, size: 12, color: colours().ink },
  hoverlabel: { align: "left", bgcolor: colours().paper, bordercolor: colours().faint, font: { family: FAMILY, color: colours().ink, size: 12 }, namelength: 0 },
  modebar: { bgcolor: "rgba(0,0,0,0)", color: colours().faint, activecolor: colours().ink },
  dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", uirevision: "kept", ...given,
});

// The buttons are listed: Plotly's own set has one that sends the chart to a server.
const CONFIG = {
  responsive: false, displaylogo: false, typesetMath: false, showTips: false, plotlyServerURL: "",
  modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "resetScale2d"]],
  toImageButtonOptions: { format: "svg" },
};
