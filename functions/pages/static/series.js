// Draws the charts of a time series from the numbers in the page. Without scripts the table below them says the same.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const charts = new Map();
  const sync = uPlot.sync("series");
  const MOMENT = 60; // seconds: the halves of a split granule are kept apart by one, so that the axis rises
  const THIN = 6; // pixels: an edge around thinner bars would hide their colours
  const GAP = 120 * 86400; // seconds: the polar night, across which no line is drawn
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (value, digits) => (value == null ? "–" : value.toFixed(digits));
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

  function axes(label) {
    const common = { stroke: colour("--soft"), font: "13px system-ui, sans-serif", ticks: { stroke: colour("--line"), width: 1 } };
    const grid = { stroke: colour("--line"), width: 1 };
    return [
      { ...common, grid: { show: false }, space: 64, values: days },
      { ...common, grid, size: 56, label, labelSize: 20, labelFont: "13px system-ui, sans-serif" },
    ];
  }

  // Labels of the time axis: no finer than they need be, the year below wherever it begins.
  function days(_, splits, __, ___, step) {
    const long = (seconds, options) => new Date(seconds * 1000).toLocaleString("en-GB", { timeZone: "UTC", ...options });
    const year = (seconds) => long(seconds, { year: "numeric" });
    const date = (seconds) => long(seconds, { day: "numeric", month: "short" });
    return splits.map((at, i) => {
      const before = splits[i - 1];
      if (step >= 360 * 86400) return year(at);
      if (step < 86400) return long(at, { hour: "2-digit", minute: "2-digit" }) + (before && date(before) === date(at) ? "" : `\n${date(at)}`);
      const text = step >= 28 * 86400 ? long(at, { month: "short" }) : date(at);
      return before && year(before) === year(at) ? text : `${text}\n${year(at)}`;
    });
  }

  const time = { label: "Sensed (UTC)", value: (_, seconds) => (seconds == null ? "–" : day(seconds)) };

  // Points with whiskers; hollow where the correction was approximate; joined within a season only.
  function spread(series, label, ink, digits) {
    const { mean, sd } = series;
    const low = mean.map((value, i) => (value == null ? null : value - (sd[i] ?? 0)));
    const high = mean.map((value, i) => (value == null ? null : value + (sd[i] ?? 0)));
    const whiskers = (plot) => {
      const { ctx } = plot;
      const [first, last] = plot.series[0].idxs;
      ctx.save();
      ctx.beginPath();
      ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
      ctx.clip();
      ctx.strokeStyle = ctx.fillStyle = ink;
      ctx.lineWidth = 1.5 * devicePixelRatio;
      const { middles } = placed(plot);
      let before = null;
      for (const at of moments(mean, middles)) {
        const to = { ...at, y: plot.valToPos(at.value, "y", true) };
        if (before && to.time - before.time < GAP) line(ctx, before, to, 0.35);
        before = to;
      }
      for (let i = first; i <= last; i++) {
        if (mean[i] != null) line(ctx, { x: middles[i], y: plot.valToPos(low[i], "y", true) }, { x: middles[i], y: plot.valToPos(high[i], "y", true) }, 0.6);
      }
      for (let i = first; i <= last; i++) {
        if (mean[i] != null) dot(ctx, middles[i], plot.valToPos(mean[i], "y", true), data.approximate[i]);
      }
      ctx.restore();
    };
    return {
      hooks: { draw: [whiskers] },
      scales: { y: { range: (_, least, most) => padded(Math.min(least, ...seen(low)), Math.max(most, ...seen(high))) } },
      series: [time, { label, fill: ink, stroke: ink, paths: () => null, points: { show: false }, value: (_, value, __, i) => (value == null ? "–" : `${shown(value, digits)} ± ${shown(sd[i], digits)}`) }],
      values: [data.times, mean],
    };
  }

  // Where the line goes: the two halves of a split granule are one sensing, and count by what of the tile they show.
  function moments(mean, middles) {
    const found = [];
    mean.forEach((value, i) => {
      if (value == null) return;
      const time = data.times[i], x = middles[i], weight = Math.max(data.usable[i] ?? 0, 1e-3), last = found[found.length - 1];
      if (!last || time - last.time > MOMENT) return found.push({ time, x, value, weight });
      const share = weight / (last.weight + weight);
      last.x += (x - last.x) * share;
      last.value += (value - last.value) * share;
      last.weight += weight;
    });
    return found;
  }

  const seen = (values) => values.filter((value) => value != null);
  const padded = (low, high) => [low - 0.05 * (high - low || 1), high + 0.05 * (high - low || 1)];

  function line(ctx, from, to, alpha) {
    ctx.globalAlpha = alpha;
    ctx.beginPath();
    ctx.moveTo(from.x, from.y);
    ctx.lineTo(to.x, to.y);
    ctx.stroke();
    ctx.globalAlpha = 1;
  }

  function dot(ctx, x, y, hollow) {
    ctx.beginPath();
    ctx.arc(x, y, 4 * devicePixelRatio, 0, 2 * Math.PI);
    if (hollow) {
      const ink = ctx.fillStyle;
      ctx.fillStyle = colour("--paper");
      ctx.fill();
      ctx.fillStyle = ink;
      ctx.stroke();
    } else ctx.fill();
  }

  // Bars from 0 to 100 %, each acquisition's parts on top of each other; uPlot itself draws no stacks.
  function stacks(parts) {
    const drawBars = (plot) => {
      const { ctx } = plot;
      const [first, last] = plot.series[0].idxs;
      const { middles, widths } = placed(plot);
      ctx.save();
      ctx.beginPath();
      ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
      ctx.clip();
      for (let i = first; i <= last; i++) {
        const left = middles[i] - widths[i] / 2;
        let sum = 0;
        for (const { percent: share, colour: fill } of parts) {
          const top = plot.valToPos(sum + (share[i] ?? 0), "y", true);
          ctx.fillStyle = fill;
          ctx.fillRect(left, top, widths[i], plot.valToPos(sum, "y", true) - top);
          sum += share[i] ?? 0;
        }
        ctx.strokeStyle = colour("--rule");
        ctx.lineWidth = 0.5 * devicePixelRatio;
        if (sum && widths[i] > THIN * devicePixelRatio) ctx.strokeRect(left, plot.valToPos(sum, "y", true), widths[i], plot.valToPos(0, "y", true) - plot.valToPos(sum, "y", true));
      }
      ctx.restore();
    };
    return {
      hooks: { draw: [drawBars] },
      scales: { y: { range: [0, 100] } },
      series: [time, ...parts.map(({ label, colour: fill }) => ({ label, fill, stroke: fill, paths: () => null, points: { show: false }, value: (_, value) => (value == null ? "–" : `${shown(value, 1)} %`) }))],
      values: [data.times, ...parts.map(({ percent: share }) => share)],
    };
  }

  // The middle and the width of each acquisition on the canvas. Those that would hide each other, as the halves of a
  // split granule and, on a long axis, all of a day, stand side by side and share one width.
  function placed(plot) {
    const at = data.times.map((time) => plot.valToPos(time, "x", true));
    const [first, last] = plot.series[0].idxs;
    const halfDay = plot.valToPos(43200, "x", true) - plot.valToPos(0, "x", true);
    const width = barWidth(at.slice(first, last + 1), halfDay);
    const middles = [...at], widths = at.map(() => width);
    for (let begin = 0, end; begin < at.length; begin = end) {
      for (end = begin + 1; end < at.length && at[end] - at[begin] < width / 2; ) end++;
      const part = width / (end - begin), middle = (at[begin] + at[end - 1]) / 2;
      for (let i = begin; end - begin > 1 && i < end; i++) {
        widths[i] = part;
        middles[i] = middle - width / 2 + (i - begin + 0.5) * part;
      }
    }
    return { middles, widths };
  }

  // Most of the usual distance between two acquisitions of different days, and never too thin to see.
  function barWidth(at, halfDay) {
    const gaps = at.slice(1).map((x, i) => x - at[i]).filter((gap) => gap > halfDay).sort((a, b) => a - b);
    const usual = gaps.length ? gaps[Math.floor(gaps.length / 2)] : Infinity;
    return Math.max(4, Math.min(18, (0.8 * usual) / devicePixelRatio)) * devicePixelRatio;
  }

  // The acquisition whose place is nearest to the mouse, for the values below a chart.
  function nearest(plot, _, closest) {
    const { middles } = placed(plot);
    const mouse = plot.bbox.left + plot.cursor.left * devicePixelRatio;
    let found = closest;
    middles.forEach((middle, i) => {
      if (Math.abs(middle - mouse) < Math.abs(middles[found] - mouse)) found = i;
    });
    return found;
  }

  const kinds = {
    albedo: { height: 300, label: "albedo", make: () => spread(data.albedo, "Albedo", colour("--accent"), 2) },
    classes: { height: 300, label: "percent", make: () => stacks(data.classes) },
    algae: { height: 260, label: "2DBA", make: () => spread(data.algae, "2DBA", colour("--amber"), 3) },
    usable: { height: 180, label: "percent", make: () => stacks([{ label: "Usable", colour: colour("--rule"), percent: data.usable }]) },
  };

  // All charts share their time axis; a lone acquisition gets a month around it.
  function timeRange(_, first, last) {
    const edge = Math.max((last - first) * 0.03, 3 * 86400);
    return [first - (last > first ? edge : 15 * 86400), last + (last > first ? edge : 15 * 86400)];
  }

  function draw() {
    for (const [name, { height, label, make }] of Object.entries(kinds)) {
      const place = document.getElementById(name);
      charts.get(name)?.destroy();
      const made = make();
      const options = {
        width: place.clientWidth, height, axes: axes(label), hooks: made.hooks ?? {}, series: made.series,
        scales: { x: { time: true, range: timeRange }, ...made.scales },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
        cursor: { y: false, dataIdx: nearest, sync: { key: sync.key }, drag: { x: true, y: false }, points: { show: false } },
        legend: { live: true },
      };
      charts.set(name, new uPlot(options, made.values, place));
    }
  }

  // With a chart in focus: arrows go from acquisition to acquisition, + and - look closer and wider, 0 shows all again.
  function steer(event) {
    const plot = charts.get(event.currentTarget.id);
    const last = data.times.length - 1;
    const now = plot.cursor.idx ?? -1;
    const goals = { ArrowLeft: Math.max(now - 1, 0), ArrowRight: Math.min(now + 1, last), Home: 0, End: last };
    const { min, max } = plot.scales.x;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in goals) point(plot, event.currentTarget.id, goals[event.key]);
    else if (event.key === "+") look(zoomed(plot, min, max, 0.25));
    else if (event.key === "-") look(zoomed(plot, min, max, 1));
    else if (event.key === "0" || event.key === "Escape") look([data.times[0], data.times[last]]);
    else return;
    event.preventDefault();
  }

  // Half of it or twice as much, around the acquisition that is pointed at.
  function zoomed(plot, min, max, half) {
    const middle = data.times[plot.cursor.idx] ?? (min + max) / 2;
    const reach = Math.max((max - min) * half, 3 * 86400);
    return [Math.max(middle - reach, data.times[0]), Math.min(middle + reach, data.times.at(-1))];
  }

  function look([min, max]) {
    for (const chart of charts.values()) chart.setScale("x", { min, max });
  }

  function point(plot, name, index) {
    const at = data.times[index];
    const { min, max } = plot.scales.x;
    if (at < min || at > max) {
      const shift = at - (at < min ? min : max);
      look([min + shift, max + shift]);
    }
    plot.setCursor({ left: plot.valToPos(at, "x"), top: plot.over.clientHeight / 2 });
    const values = plot.series.map(({ label }, i) => [label, plot.legend.values[i]?._]).filter(([, value]) => value != null);
    document.getElementById(`${name}-said`).textContent = values.map(([label, value]) => `${label}: ${value}`).join(", ");
  }

  function save(button) {
    const drawn = charts.get(button.dataset.save).ctx.canvas;
    const band = 44 * devicePixelRatio;
    const sheet = Object.assign(document.createElement("canvas"), { width: drawn.width, height: drawn.height + band });
    const ctx = sheet.getContext("2d");
    ctx.fillStyle = colour("--paper");
    ctx.fillRect(0, 0, sheet.width, sheet.height);
    ctx.drawImage(drawn, 0, band);
    ctx.fillStyle = colour("--ink");
    ctx.font = `${15 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillText(button.dataset.title, 12 * devicePixelRatio, 27 * devicePixelRatio);
    if (button.dataset.save === "classes") legend(ctx, sheet.width, devicePixelRatio);
    sheet.toBlob((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: button.dataset.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  // The classes with their colours, from the right edge of a saved picture.
  function legend(ctx, right, scale) {
    let x = right - 12 * scale;
    ctx.font = `${13 * scale}px system-ui, sans-serif`;
    for (const { label, colour: fill } of [...data.classes].reverse()) {
      x -= ctx.measureText(label).width;
      ctx.fillStyle = colour("--ink");
      ctx.fillText(label, x, 27 * scale);
      x -= 18 * scale;
      ctx.fillStyle = fill;
      ctx.fillRect(x, 16 * scale, 12 * scale, 12 * scale);
      ctx.strokeStyle = colour("--rule");
      ctx.strokeRect(x, 16 * scale, 12 * scale, 12 * scale);
      x -= 14 * scale;
    }
  }

  draw();
  document.body.classList.add("ready");
  dark.addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      for (const [name, chart] of charts) chart.setSize({ width: document.getElementById(name).clientWidth, height: kinds[name].height });
    }
  });
  for (const name of Object.keys(kinds)) document.getElementById(name).addEventListener("keydown", steer);
  for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", () => save(button));
})();
