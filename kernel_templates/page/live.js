// The live page: each event of the server is a whole new page.

const AGAIN_MS = 3000;

const showLive = (text, lost) => {
  const place = part("live");
  place.hidden = false;
  place.textContent = text;
  place.dataset.live = lost ? "lost" : "updated";
};

let source = null;

const follow = () => {
  source?.close();
  source = new EventSource("events");
  const own = source;
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
      document.removeEventListener("visibilitychange", followInSight);
      own.close();
      return;
    }
    update(page);
    part("live").dataset.updates = Number(part("live").dataset.updates || 0) + 1;
    showLive(`Live, updated ${CLOCK.format(new Date())}`, false);
  });
  source.addEventListener("open", () => showLive("Live", false)); // nothing follows if the page is as before
  source.addEventListener("error", () => {
    showLive("Connection lost, trying again", true);
    if (own.readyState !== EventSource.CLOSED) return; // the browser itself tries again
    setTimeout(() => { if (own === source && !document.hidden) follow(); }, AGAIN_MS);
  });
  showLive("Live", false);
};

// A browser opens six connections to a server at most: a page out of sight must not hold one.
const followInSight = () => (document.hidden ? source?.close() : follow());
