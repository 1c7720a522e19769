// The charts of a span of time.
/* global uPlot */
import { offerPause, whileStill } from "./live.js";

const charts = document.getElementById("charts");
const style = getComputedStyle(document.documentElement);
const color = (name) => style.getPropertyValue(name).trim();
const AGAIN_MS = 10_000;
const drawn = [];

// Times are in UTC, as on all pages; a long span shows the day too.
const form = { timeZone: "UTC", hourCycle: "h23", hour: "2-digit", minute: "2-digit" };
const moment = (seconds) => {
  const at = new Date(seconds * 1000);
  if (charts.dataset.days === "yes") return at.toLocaleString("en-GB", { ...form, day: "numeric", month: "short" });
  return at.toLocaleTimeString("en-GB", form);
};

const axis = () => ({ stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } });

// Stacks the series, the highest drawn first. A series with `isLine` is not stacked; its line is drawn over the others.
function stacked([times, ...numbers], series) {
  const sums = times.map(() => 0);
  const heights = series.map(([, , isLine], place) =>
    isLine ? numbers[place].map(rising) : numbers[place].map((number, at) => (sums[at] += number)),
  );
  // A number is for the interval from its time to the next time, so the last one needs an end.
  const end = times.at(-1) * 2 - times.at(-2);
  return [[...times, end], ...ordered(series).map((place) => [...heights[place], heights[place].at(-1)])];
}

// A line is drawn only where its number is not zero.
const rising = (number, at, all) => number || (all[at - 1] ? 0 : null);

const ordered = (series) => {
  const places = [...series.keys()];
  return [...places.filter((place) => !series[place][2]).reverse(), ...places.filter((place) => series[place][2])];
};

function draw(id, series, data) {
  const place = document.getElementById(id);
  let shown = data;
  const line = (number) => {
    const [label, name, isLine] = series[number];
    return {
      label,
      stroke: color(name),
      fill: isLine ? undefined : color(name),
      width: isLine ? 3 : 1,
      points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }),
      value: (_, height, __, at) => (height === null ? "" : shown[number + 1][at]?.toLocaleString()),
    };
  };
  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: 220,
      axes: [{ ...axis(), values: (_, times) => times.map(moment), space: 90 }, axis()],
      scales: { y: { range: (_, low, high) => [0, Math.max(1, Math.ceil(high * 1.1))] } },
      series: [{ label: "from", value: (_, time) => (time === null ? "" : moment(time)) }, ...ordered(series).map(line)],
      legend: { markers: { fill: (_, number) => color(series[ordered(series)[number - 1]][1]) } },
    },
    stacked(data, series),
    place,
  );
  drawn.push({ chart, place });
  return (fresh) => {
    shown = fresh;
    chart.setData(stacked(fresh, series));
  };
}

// The numbers of a chart as a table, which is filled when the user opens it.
function numbersTable(id, series) {
  const place = document.getElementById(`${id}-numbers`);
  const table = place.querySelector("table");
  let shown = null;
  const row = (kind, texts) => {
    const line = document.createElement("tr");
    for (const [place, text] of texts.entries()) {
      const cell = document.createElement(place ? kind : "th");
      if (cell.nodeName === "TH") cell.scope = kind === "th" ? "col" : "row";
      if (place) cell.className = "number";
      cell.textContent = text;
      line.append(cell);
    }
    return line;
  };
  const fill = () => {
    if (!place.open || !shown) return;
    const [times, ...numbers] = shown;
    const head = document.createElement("thead");
    head.append(row("th", ["From", ...series.map(([label]) => label)]));
    const body = document.createElement("tbody");
    for (const [at, time] of times.entries()) {
      body.append(row("td", [moment(time), ...numbers.map((all) => all[at].toLocaleString())]));
    }
    table.replaceChildren(head, body);
  };
  place.addEventListener("toggle", fill);
  return (data) => {
    shown = data;
    fill();
  };
}

async function load() {
  const answer = await fetch(charts.dataset.url, {
    headers: { "X-Requested-With": "monitor" },
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  const { times, byStatus, inTime, late, onIncident } = await answer.json();
  return [
    [times, byStatus.ok, byStatus.pending, byStatus.error, byStatus.cancelled, onIncident],
    [times, inTime, late],
  ];
}

const OUTCOMES = [
  ["ok", "--ok"],
  ["pending", "--pending"],
  ["error", "--error"],
  ["cancelled", "--cancelled"],
  ["open incident", "--incident", true],
];
const WAITS = [
  ["in time", "--ok"],
  ["later", "--pending"],
];
const [outcomes, waits] = await load();
const first = draw("outcomes", OUTCOMES, outcomes);
const second = draw("waits", WAITS, waits);
const fillOutcomes = numbersTable("outcomes", OUTCOMES);
const fillWaits = numbersTable("waits", WAITS);
fillOutcomes(outcomes);
fillWaits(waits);

new ResizeObserver(() => {
  for (const { chart, place } of drawn) chart.setSize({ width: place.clientWidth, height: 220 });
}).observe(charts);

offerPause();
for (;;) {
  await new Promise((done) => setTimeout(done, AGAIN_MS));
  await whileStill();
  try {
    const fresh = await load();
    await whileStill();
    first(fresh[0]);
    second(fresh[1]);
    fillOutcomes(fresh[0]);
    fillWaits(fresh[1]);
  } catch {
    // Ignore the error; the next refresh tries again.
  }
}
