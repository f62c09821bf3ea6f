// Plotly's script, which stands compressed in the file: gzip in base 85 with "," for "<". It is unpacked before anything is drawn.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

const fromBase85 = (text) => {
  const digit = new Uint8Array(128);
  for (let place = 0; place < DIGITS.length; place += 1) digit[DIGITS.charCodeAt(place)] = place;
  const groups = Math.ceil(text.length / 5);
  const padded = text.padEnd(5 * groups, "~");
  const view = new DataView(new ArrayBuffer(4 * groups));
  for (let group = 0; group < groups; group += 1) {
    let value = 0;
    for (let place = 5 * group; place < 5 * group + 5; place += 1) value = value * 85 + digit[padded.charCodeAt(place)];
    view.setUint32(4 * group, value);
  }
  return new Uint8Array(view.buffer, 0, 4 * groups - (padded.length - text.length));
};

const hasPlotly = () => typeof Plotly !== "undefined";

/** Why charts are not drawn; shown in their place. */
let withoutPlotly = "The script of Plotly is missing from this file, so charts are not drawn.";

const unpackPlotly = async () => {
  const packed = document.getElementById("plotly");
  if (!packed) return;
  if (typeof DecompressionStream === "undefined") {
    withoutPlotly = "This browser is too old to draw the charts: they need Chrome or Edge 80, Firefox 113, Safari 16.4 or newer. "
      + "Everything else on this page is complete.";
    return;
  }
  try {
    const stream = new Blob([fromBase85(packed.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    packed.replaceWith(script); // it runs now: the policy of the page knows its digest
  } catch (error) {
    withoutPlotly = `The script of Plotly in this file is damaged (${error.message}), so charts are not drawn.`;
  }
};
