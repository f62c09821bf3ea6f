// The autopsy of each bad ending, and the pictures.

const MOST_ENDINGS = 50;

/** The bad endings of the page: those of trainings first, then those of sessions after which a training went on. */
const endingsOf = (trainings) => [
  ...trainings.filter((one) => one.ending).map((one) => ({ training: one, ending: one.ending, key: one.lineage_id })),
  ...trainings.flatMap((one) => one.earlier_endings.map((ending) => ({ training: one, ending, key: ending.session }))),
];

const endingCard = ({ training, ending, key }, index) =>
  element("details", { class: "ending", "data-ending": key, open: index < 3 },
    element("summary", { dir: "auto" }, element("b", {}, nameOf(training)), ending.session ? element("span", {}, ending.session) : "", chip(clean(ending.verdict).replaceAll("_", " "), { symbol: "✗", tone: "bad" })),
    element("p", { dir: "auto" }, ending.sentence),
    ending.evidence.length ? element("div", {}, element("h3", {}, "Evidence"), element("ul", { class: "evidence" }, ending.evidence.map((text) => element("li", { dir: "auto" }, element("code", {}, text))))) : "",
    ending.advice ? element("div", {}, element("h3", {}, "What to do"), element("p", { dir: "auto" }, ending.advice)) : "",
    ending.command ? element("p", {}, command(ending.command)) : "");

const drawEndings = () => {
  const bad = endingsOf(view.page.trainings);
  const place = slot("endings", "body");
  const open = new Map([...place.querySelectorAll("[data-ending]")].map((node) => [node.dataset.ending, node.open]));
  part("endings").hidden = !bad.length;
  part("endings").dataset.endings = bad.length;
  const cards = bad.slice(0, MOST_ENDINGS).map(endingCard);
  for (const card of cards) if (open.has(card.dataset.ending)) card.open = open.get(card.dataset.ending);
  place.replaceChildren(...cards, bad.length > MOST_ENDINGS ? element("p", { class: "hint" }, `The first ${MOST_ENDINGS} of ${integer(bad.length)}; the column Why of the table has all.`) : "");
};

const IMAGES = ["image/png", "image/gif", "image/svg+xml"];
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

/** A picture; an animation waits for a click where the reader asked for less motion. */
const figure = (picture) => {
  const address = `data:${picture.media_type};base64,${picture.data}`;
  const image = element("img", { alt: `${clean(picture.title)}, drawn by session ${clean(picture.source.session)}`, decoding: "async" });
  const made = element("figure", { "data-picture": picture.title }, element("figcaption", { dir: "auto" }, clean(picture.title).replace(/^fig_/, "").replaceAll("_", " "), provenance(picture.source, true)));
  if (picture.media_type === "image/gif" && stillness.matches) {
    const button = element("button", { type: "button", class: "play" }, "▶ Play the animation");
    button.addEventListener("click", () => {
      const shown = image.isConnected;
      if (shown) image.remove();
      else made.prepend(image);
      button.textContent = shown ? "▶ Play the animation" : "■ Stop the animation";
    });
    made.prepend(button);
  } else made.prepend(image);
  image.src = address;
  return made;
};

const drawPictures = () => {
  const shown = view.page.pictures.filter((one) => IMAGES.includes(one.media_type));
  part("pictures").hidden = !shown.length;
  part("pictures").dataset.pictures = shown.length;
  slot("pictures", "body").replaceChildren(...shown.map(figure));
};
