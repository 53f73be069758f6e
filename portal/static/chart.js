// Draws the table of usage over time as bars. The table stays, folded.
"use strict";
(() => {
  const figure = document.querySelector("[data-chart]");
  if (!figure || !window.uPlot) {
    return;
  }
  const holder = figure.querySelector(".chart-canvas");
  const output = figure.querySelector("output");
  const rows = [...document.querySelectorAll("[data-chart-rows] tbody tr")];
  const numbers = (name) => rows.map((row) => Number(row.dataset[name]));
  const admitted = numbers("admitted");
  const refused = numbers("refused");
  const labels = rows.map((row) => row.querySelector("time").textContent);
  // One bar a step, side by side whatever the step's length; refused stands on admitted.
  const data = [rows.map((_, i) => i), admitted.map((n, i) => n + refused[i]), admitted];

  // Whole steps of the axis of numbers: 1, 2, 5, 10 … 5 × 10¹².
  const increments = Array.from({ length: 39 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3));

  const styleOf = (selector) => getComputedStyle(document.querySelector(selector)).color;

  function options() {
    const ink = styleOf(".chart figcaption");
    const faint = styleOf(".chart .rule");
    const good = styleOf(".key-good i");
    const bad = styleOf(".key-bad i");
    const bars = uPlot.paths.bars({ size: [0.72, 48], radius: 0.12 });
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: ink, font, grid: { stroke: faint, width: 1 }, ticks: { show: false } };
    return {
      width: holder.clientWidth,
      height: holder.clientHeight,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: [-0.6, rows.length - 0.4] }, y: { range: (u, low, high) => [0, Math.max(high * 1.08, 4)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 32, space: 92, incrs: [1, 2, 3, 4, 6, 7, 12, 14], values: (u, at) => at.map((i) => labels[i] ?? "") },
        { ...axis, size: 56, incrs: increments, values: (u, at) => at.map((n) => n.toLocaleString("en", n < 1e5 ? {} : { notation: "compact" })) },
      ],
      series: [{}, { fill: bad, width: 0, paths: bars, points: { show: false } }, { fill: good, width: 0, paths: bars, points: { show: false } }],
      hooks: { setCursor: [(u) => tell(u.cursor.idx)] },
    };
  }

  function tell(i) {
    output.textContent = i == null ? "" : `${labels[i]}: ${admitted[i].toLocaleString("en")} admitted, ${refused[i].toLocaleString("en")} refused`;
  }

  let plot;
  function draw() {
    plot?.destroy();
    plot = new uPlot(options(), data, holder);
  }

  figure.hidden = false;
  document.querySelector("[data-chart-table]").open = false;
  draw();
  document.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: holder.clientHeight })).observe(holder);
})();
