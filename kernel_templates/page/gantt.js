// Sessions as bars over wall time, one lane for each training, over the weeks of the quota.

const MOST_LANES = 200;
const TALL_LANES = 20; // with more lanes the chart scrolls in its box, and its axis is on top

const laneTrainings = () => {
  const running = new Set(view.page.sessions.map((one) => one.lineage_id));
  const all = view.page.trainings.filter((one) => running.has(one.lineage_id));
  const chosen = all.filter((one) => view.chosen.has(one.lineage_id));
  const pool = chosen.length ? chosen : all;
  return { all, pool, lanes: pool.slice(0, MOST_LANES) };
};

const sessionEnd = (session) => onAxis(session.ended_at || (session.in_flight ? view.page.made_at : session.reported_at || session.began_at));

const resumeText = ({ grade, steps_start: start }) =>
  grade ? `resume: ${plotText(grade)}` : start ? "resumed, grade not known yet" : "began at step 0";

const sessionText = (session) => {
  const target = session.target_steps === null ? "" : ` of ${integer(session.target_steps)}`;
  const until = session.ended_at ? local(session.ended_at) : session.in_flight ? "in flight" : "end unknown";
  return lines(`<b>${plotText(session.slug)}</b>`, plotText(sessionName(session)), `${endWord(session)}${session.attempt > 1 ? `, attempt ${session.attempt}` : ""}`,
    `steps ${integer(session.steps_start)} to ${session.steps_done === null ? "unknown" : integer(session.steps_done)}${target}`,
    resumeText(session), session.steps_per_s === null ? "" : rate(session.steps_per_s),
    session.eta_s === null ? "" : `${duration(session.eta_s)} to the target`, plotText([session.backend, session.kind].filter(Boolean).join(", ")),
    `${local(session.began_at)} to ${until}`, `UTC ${utc(session.began_at)}`, ...session.problems.slice(0, 4).map((problem) => `· ${plotText(problem, 90)}`));
};

const endKey = (session) => (session.in_flight ? "" : clean(session.end_reason) || "unknown end");

const LETTER = 7; // pixels of a letter in a bar, at most

const barText = (session, pixels) => {
  const text = session.in_flight ? "in flight ▶" : endWord(session);
  return pixels > LETTER * text.length + 8 ? text : "";
};

const sessionTraces = (sessions, laneOf, span, width) => {
  return [...grouped(sessions, endKey)].map(([key, group]) => {
    const { colour, pattern } = endOf(key);
    const length = (one) => Math.max(sessionEnd(one) - onAxis(one.began_at), span / 400); // short sessions stay visible
    return {
      type: "bar", orientation: "h", name: key, legendgroup: `end ${key}`, hoverinfo: "text", width: 0.62, textposition: "inside", insidetextanchor: "middle",
      constraintext: "both", textangle: 0, insidetextfont: { color: "#111", size: 11 }, cliponaxis: true,
      y: group.map((one) => laneOf.get(one.lineage_id)), base: group.map((one) => axisDate(onAxis(one.began_at))), x: group.map(length),
      text: group.map((one) => barText(one, (width * length(one)) / span)), hovertext: group.map(sessionText),
      marker: { color: colours()[colour], line: { color: colours().ink, width: 0.7 }, pattern: { shape: pattern, fillmode: "overlay", fgcolor: "rgba(255,255,255,0.6)", size: 7, solidity: 0.22 } },
    };
  });
};

/** Sessions in flight have no end yet: an arrow stands where the page was made. */
const openEnds = (sessions, laneOf) => {
  const open = sessions.filter((one) => one.in_flight);
  return { type: "scatter", mode: "markers", hoverinfo: "text", legendgroup: "end ", cliponaxis: false, x: open.map((one) => axisDate(sessionEnd(one))), y: open.map((one) => laneOf.get(one.lineage_id)),
    hovertext: open.map(sessionText), marker: { symbol: "triangle-right", size: 15, color: colours().yellow, line: { color: colours().ink, width: 1 } } };
};

const weekName = (week) => `${clean(week.backend)}, week from ${moment(week.begins_at) ? DAY.format(moment(week.begins_at)) : clean(week.begins_at)}`;
const weekUse = (week) => `${number(week.used_s / 3600)} h${week.limit_s === null ? " used, limit unknown" : ` of ${number(week.limit_s / 3600)} h used`}`;

const WEEK_TEXT = 140; // pixels

const weekBands = (weeks, [from, to], width, tall) => {
  const shapes = [];
  const annotations = [];
  weeks.forEach((week, index) => {
    const [begin, end] = [onAxis(week.begins_at), onAxis(week.ends_at)];
    if (end <= from || begin >= to) return;
    shapes.push({ type: "rect", layer: "below", xref: "x", yref: "paper", x0: axisDate(begin), x1: axisDate(end), y0: 0, y1: 1, line: { width: 1, color: translucent(colours().band, 0.3) }, fillcolor: translucent(colours().band, index % 2 ? 0.04 : 0.1) });
    const [left, right] = [Math.max(begin, from), Math.min(end, to)];
    if (tall || ((right - left) / (to - from)) * width < WEEK_TEXT) return;
    annotations.push({ xref: "x", yref: "paper", x: axisDate((left + right) / 2), y: 1, yanchor: "bottom", showarrow: false, text: plotText(weekUse(week), 40), font: { size: 11, color: colours().faint } });
  });
  return { shapes, annotations };
};

/** Width of the chart between its margins, about: the labels of the lanes take the rest. */
const plotWidth = () => {
  const wide = view.printing ? PRINTED_WIDTH : slot("gantt", "plot").clientWidth;
  return wide - (wide < 520 ? 110 : 220);
};

const ganttLayout = (lanes, span, weeks) => {
  const narrow = slot("gantt", "plot").clientWidth < 520;
  const tall = lanes.length > TALL_LANES;
  const height = (lanes.length < 4 ? 52 : tall ? 20 : 26) * lanes.length + (tall ? 64 : 96);
  return layoutOf({
    height, barmode: "overlay", margin: tall ? { l: 20, r: 18, t: 56, b: 8 } : { l: 20, r: 18, t: weeks.length ? 26 : 8, b: 52 }, ...weekBands(weeks, span, plotWidth(), tall),
    xaxis: axis({ type: "date", autorangeoptions: { minallowed: span[0], maxallowed: span[1] }, title: { text: tall ? "" : `Wall time (${plotText(ZONE)})`, font: { color: colours().faint }, standoff: 10 }, nticks: narrow ? 4 : 8, side: tall ? "top" : "bottom" }),
    yaxis: axis({ range: [lanes.length - 0.5, -0.5], fixedrange: true, showgrid: false, ticks: "", zeroline: false, tickvals: lanes.map((_, index) => index),
      ticktext: lanes.map((one) => (lanes.length === 1 ? "" : plotText(middle(nameOf(one), narrow ? 15 : 34)))) }),
  });
};

const ganttLegend = (sessions, traces) => {
  return traces.map(({ name }) => {
    const count = sessions.filter((one) => endKey(one) === name).length;
    const { colour, pattern } = endOf(name);
    return { text: `${name.replaceAll("_", " ") || "in flight"} (${count})`, group: `end ${name}`, style: { area: true, colour: colours()[colour], pattern, over: "rgba(255,255,255,0.7)" } };
  });
};

const fillWeeks = (weeks) =>
  slot("gantt", "weeks").replaceChildren(...weeks.map((week) => {
    const share = week.limit_s ? Math.min(1, week.used_s / week.limit_s) : 0;
    const gauge = element("span", { class: share > 0.9 ? "gauge full" : "gauge", "aria-hidden": "true" }, element("span", {}));
    gauge.firstChild.style.width = `${share * 100}%`;
    return element("li", { title: `${utc(week.begins_at)} to ${utc(week.ends_at)}` }, element("span", {}, weekName(week)), gauge, element("b", {}, weekUse(week)));
  }));

const drawGantt = () => {
  const { all, pool, lanes } = laneTrainings();
  const section = part("gantt");
  const laneOf = new Map(lanes.map((one, index) => [one.lineage_id, index]));
  const sessions = view.page.sessions.filter((one) => laneOf.has(one.lineage_id) && onAxis(one.began_at) !== null);
  section.hidden = !sessions.length;
  Object.assign(section.dataset, { sessions: sessions.length, weeks: view.page.weeks.length, lanes: lanes.length });
  if (!sessions.length) return;
  const begin = sessions.reduce((least, one) => Math.min(least, onAxis(one.began_at)), Infinity);
  const end = sessions.reduce((most, one) => Math.max(most, sessionEnd(one)), begin + 60000);
  const span = [begin - (end - begin) * 0.02, end + (end - begin) * 0.03];
  const cut = pool.length > lanes.length ? `The first ${lanes.length} of ${integer(pool.length)} trainings. ` : "";
  slot("gantt", "hint").textContent = `${cut}${plural(sessions.length, "session")}${pool.length < all.length ? " of the selected trainings" : ""}. The colour and the pattern show how each ended. Wall time of ${ZONE}.`;
  const traces = sessionTraces(sessions, laneOf, end - begin, plotWidth());
  const isHidden = (group) => view.toggled.has(group);
  fillLegend("gantt", ganttLegend(sessions, traces), isHidden, drawGantt);
  const drawn = [...traces, openEnds(sessions, laneOf)];
  for (const trace of drawn) trace.visible = !isHidden(trace.legendgroup);
  fillWeeks(view.page.weeks);
  plot("gantt", drawn, ganttLayout(lanes, span, view.page.weeks), `${plural(sessions.length, "session")} of ${plural(lanes.length, "training")} over wall time.`);
};
