// The charts of a span of time.
/* global uPlot */
const charts = document.getElementById("charts");
const style = getComputedStyle(document.documentElement);
const color = (name) => style.getPropertyValue(name).trim();
const AGAIN_MS = 10_000;
const drawn = [];

const axis = () => ({ stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } });

function draw(id, series, data) {
  const place = document.getElementById(id);
  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: 220,
      axes: [axis(), axis()],
      scales: { y: { range: (_, low, high) => [0, Math.max(1, high)] } },
      series: [{}, ...series.map(([label, name]) => ({ label, stroke: color(name), width: 2, points: { show: false } }))],
    },
    data,
    place,
  );
  drawn.push({ chart, place });
  return chart;
}

async function load() {
  const answer = await fetch(charts.dataset.url, {
    headers: { "X-Requested-With": "monitor" },
    signal: AbortSignal.timeout(30_000),
  });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  const { times, byStatus, starts, inTime, onIncident } = await answer.json();
  const later = starts.map((all, place) => all - inTime[place]);
  return [
    [times, byStatus.ok, byStatus.pending, byStatus.error, byStatus.cancelled, onIncident],
    [times, inTime, later],
  ];
}

const [outcomes, waits] = await load();
const first = draw(
  "outcomes",
  [
    ["ok", "--ok"],
    ["pending", "--pending"],
    ["error", "--error"],
    ["cancelled", "--cancelled"],
    ["on an incident", "--accent"],
  ],
  outcomes,
);
const second = draw("waits", [["in time", "--ok"], ["later", "--pending"]], waits);

new ResizeObserver(() => {
  for (const { chart, place } of drawn) chart.setSize({ width: place.clientWidth, height: 220 });
}).observe(charts);

setInterval(async () => {
  if (document.hidden) return;
  try {
    const fresh = await load();
    first.setData(fresh[0]);
    second.setData(fresh[1]);
  } catch {
    // the next look tells
  }
}, AGAIN_MS);
