// The live page: each event of the server is a whole new page.

const AGAIN_MS = 3000;

const showLive = (text, lost) => {
  const place = part("live");
  place.hidden = false;
  place.textContent = text;
  place.dataset.live = lost ? "lost" : "updated";
};

const follow = () => {
  const source = new EventSource("events");
  source.addEventListener("message", (event) => {
    let page;
    try {
      page = JSON.parse(event.data);
    } catch (error) {
      console.warn(`An update could not be read: ${error.message}`);
      return;
    }
    if (page.schema !== SCHEMA) {
      showLive("The server has another version now. Load the page again.", true);
      source.close();
      return;
    }
    update(page);
    part("live").dataset.updates = Number(part("live").dataset.updates || 0) + 1;
    showLive(`Live, updated ${CLOCK.format(new Date())}`, false);
  });
  source.addEventListener("error", () => {
    showLive("Connection lost, trying again", true);
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MS); // otherwise the browser itself tries again
  });
  showLive("Live", false);
};
