const $ = id => document.getElementById(id);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colours = ["#2f6fde", "#d9622b", "#2a9d6f", "#a04fc9", "#c4a020", "#cf3f6d", "#3aa3b8",
                 "#7d6b5d"];
function short(v) {
  if (v === undefined || v === null) return "–";
  const a = Math.abs(v);
  if (a >= 1e9) return (v / 1e9).toPrecision(3) + "G";
  if (a >= 1e6) return (v / 1e6).toPrecision(3) + "M";
  if (a >= 1e4) return (v / 1e3).toPrecision(3) + "k";
  if (a !== 0 && a < 1e-3) return v.toExponential(1);
  return String(+v.toPrecision(4));
}
function tip(event, text) {
  const t = $("tip");
  t.style.display = text ? "block" : "none";
  if (!text) return;
  t.textContent = text;
  t.style.left = Math.min(event.clientX + 14, innerWidth - t.offsetWidth - 8) + "px";
  t.style.top = Math.min(event.clientY + 14, innerHeight - t.offsetHeight - 8) + "px";
}
function element(parent, name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  return parent.appendChild(node);
}
function smoothed(y) {
  const w = +$("smooth").value;
  let mean = 0, weight = 0;
  return y.map(v => (mean = w * mean + (1 - w) * v, weight = w * weight + 1 - w, mean / weight));
}
function ticks(low, high, count) {
  const raw = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw);
  const result = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) result.push(v);
  return result;
}
const redraws = [];
// series: {name, x, y, colour, smooth: draw the raw values faintly and a smoothed line over them,
// faint: leave the raw values out}
function chart(where, title, series, options = {}) {
  series = series.filter(s => s.y.length > 0);
  if (series.length === 0) return;
  const figure = $(where).appendChild(document.createElement("figure"));
  const caption = figure.appendChild(document.createElement("figcaption"));
  caption.append(title);
  const hidden = new Set();
  series.forEach((s, i) => {
    s.colour = s.colour || colours[i % colours.length];
    if (series.length < 2) return;
    const key = caption.appendChild(document.createElement("span"));
    key.className = "key";
    const mark = key.appendChild(document.createElement("i"));
    mark.style.background = s.colour;
    key.append(s.name);
    key.onclick = () => {
      hidden.has(s) ? hidden.delete(s) : hidden.add(s);
      key.classList.toggle("off", hidden.has(s));
      draw();
    };
  });
  const svg = element(figure, "svg", {});
  function draw() {
    svg.replaceChildren();
    const width = svg.clientWidth || 500, height = 230, left = 48, right = 8, top = 12, bottom = 24;
    const shown = series.filter(s => !hidden.has(s))
        .map(s => ({...s, line: s.smooth ? smoothed(s.y) : s.y}));
    if (shown.length === 0) return;
    let low = Infinity, high = -Infinity, end = 1;
    for (const s of shown) {
      // The first steps of a loss are far above the rest; scale to the bulk.
      const sorted = [...s.line].sort((a, b) => a - b);
      low = Math.min(low, sorted[0]);
      high = Math.max(high, sorted[Math.ceil((sorted.length - 1) * (options.bulk || 1))]);
      end = Math.max(end, s.x.at(-1));
    }
    if (options.zero) low = 0;
    if (high - low < 1e-12) { high += Math.abs(high) * 0.1 || 1; low -= Math.abs(low) * 0.1; }
    const pad = (high - low) * 0.05;
    high += pad;
    if (!options.zero) low -= pad;
    const X = v => left + v / end * (width - left - right);
    const Y = v => top + (high - v) / (high - low) * (height - top - bottom);
    for (const v of ticks(low, high, 5)) {
      element(svg, "line", {x1: left, x2: width - right, y1: Y(v), y2: Y(v), stroke: css("--grid")});
      element(svg, "text", {x: left - 6, y: Y(v) + 4, "text-anchor": "end"}).textContent = short(v);
    }
    for (const v of ticks(0, end, 6)) {
      element(svg, "text", {x: X(v), y: height - 6, "text-anchor": "middle"}).textContent = short(v);
    }
    const path = (x, y) => x.map((v, i) => (i ? "L" : "M") + X(v).toFixed(1) + "," +
        Math.max(top - 4, Y(y[i])).toFixed(1)).join("");
    for (const s of shown) {
      const style = {fill: "none", stroke: s.colour, "stroke-linejoin": "round"};
      if (s.smooth && !s.faint) {
        element(svg, "path", {...style, d: path(s.x, s.y), opacity: .22});
      }
      element(svg, "path", {...style, d: path(s.x, s.line), "stroke-width": s.wide ? 2.4 : 1.6});
      if (s.x.length === 1) {
        element(svg, "circle", {cx: X(s.x[0]), cy: Y(s.line[0]), r: 3, fill: s.colour});
      }
    }
    const cursor = element(svg, "line", {y1: top, y2: height - bottom, stroke: css("--soft"),
                                         "stroke-dasharray": "3 3", visibility: "hidden"});
    svg.onmousemove = event => {
      const box = svg.getBoundingClientRect();
      const step = (event.clientX - box.left - left) / (width - left - right) * end;
      if (step < 0 || step > end) return svg.onmouseleave(event);
      cursor.setAttribute("x1", X(step)); cursor.setAttribute("x2", X(step));
      cursor.setAttribute("visibility", "visible");
      tip(event, "step " + Math.round(step) + "\n" + shown.map(s => {
        let best = 0;
        s.x.forEach((v, i) => { if (Math.abs(v - step) < Math.abs(s.x[best] - step)) best = i; });
        return s.name + "  " + short(s.line[best]);
      }).join("\n"));
    };
    svg.onmouseleave = event => { cursor.setAttribute("visibility", "hidden"); tip(event, ""); };
  }
  redraws.push(draw);
}
