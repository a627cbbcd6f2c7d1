"use strict";
// The page: what is drawn goes to the worker, what it answers is shown.

const find = id => document.getElementById(id);
const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
let last = 0;

// ---------------------------------------------------------------- the worker

function ask(call, args = [], more = {}) {
  const id = ++last;
  worker.postMessage({ id, call, args, ...more });
  return new Promise((done, failed) => waiting.set(id, { done, failed }));
}

function fail(text) {
  find("error").hidden = !text;
  find("error").textContent = text;
}

worker.onerror = event => {
  find("loading").hidden = true;
  fail(`The page could not start: ${event.message || "a file of the runtime is missing"}. Serve this folder with python -m http.server.`);
};

worker.onmessage = ({ data }) => {
  if (data.loading !== undefined) {
    find("load").value = data.loading + 1;
    find("loadtext").textContent = data.text && `Loading ${data.text}`;
  } else if (data.failed) {
    find("loading").hidden = true;
    fail(`Python could not start: ${data.failed}`);
  } else if (data.ready) {
    find("loading").hidden = true;
    document.querySelector("main").hidden = false;
    read();
  } else {
    const { done, failed } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) failed(new Error(data.error)); else done(data.value);
  }
};

// ------------------------------------------------------------ the drawing area

const pad = find("pad"), pen = pad.getContext("2d", { willReadFrequently: true });
const SIDE = pad.width, WIDTH = 20;
let strokes = [], stroke = null, picture = null;
const cursor = { x: SIDE / 2, y: SIDE / 2, down: false, shown: false };

function paint() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, SIDE, SIDE);
  if (picture) {
    const small = new OffscreenCanvas(28, 28), brush = small.getContext("2d");
    picture.forEach((row, r) => row.forEach((v, c) => {
      brush.fillStyle = `rgb(${v},${v},${v})`;
      brush.fillRect(c, r, 1, 1);
    }));
    pen.drawImage(small, 0, 0, SIDE, SIDE);
  }
  pen.strokeStyle = pen.fillStyle = "#fff";
  pen.lineWidth = WIDTH;
  pen.lineCap = pen.lineJoin = "round";
  for (const points of strokes) {
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) pen.lineTo(...point);
    pen.stroke();
  }
}

function ink() { // 255 where there is ink
  paint();
  const { data } = pen.getImageData(0, 0, SIDE, SIDE), found = new Uint8Array(SIDE * SIDE);
  for (let k = 0; k < found.length; k++) found[k] = data[4 * k];
  if (cursor.shown) showCursor();
  return found;
}

function showCursor() {
  pen.strokeStyle = cursor.down ? "#f0906f" : "#7fb2ee";
  pen.lineWidth = 3;
  pen.beginPath();
  pen.arc(cursor.x, cursor.y, WIDTH / 2 + 3, 0, 7);
  pen.stroke();
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
}

pad.addEventListener("pointerdown", event => {
  pad.setPointerCapture(event.pointerId);
  cursor.shown = cursor.down = false;
  if (picture) clear();
  strokes.push(stroke = [place(event)]);
  read();
});
pad.addEventListener("pointermove", event => {
  if (!stroke) return;
  for (const one of event.getCoalescedEvents?.() || [event]) stroke.push(place(one));
  read();
});
for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { stroke = null; });

pad.addEventListener("keydown", event => {
  const step = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] }[event.key];
  if (step) {
    cursor.x = Math.max(10, Math.min(SIDE - 10, cursor.x + step[0]));
    cursor.y = Math.max(10, Math.min(SIDE - 10, cursor.y + step[1]));
    if (cursor.down) strokes[strokes.length - 1].push([cursor.x, cursor.y]);
  } else if (event.key === " ") {
    if (picture) clear();
    cursor.down = !cursor.down;
    if (cursor.down) strokes.push([[cursor.x, cursor.y]]);
  } else if (event.key === "Delete" || event.key === "Backspace") clear();
  else return;
  event.preventDefault();
  cursor.shown = true;
  read();
});
pad.addEventListener("blur", () => { cursor.shown = cursor.down = false; paint(); });

function clear() {
  strokes = [];
  stroke = picture = null;
  cursor.down = false;
}
find("clear").onclick = () => { clear(); read(); };
find("undo").onclick = () => { strokes.pop(); read(); };
let shown = 0;
find("example").onclick = async () => {
  const { image } = await ask("example", [shown++]);
  clear();
  picture = image;
  read();
};

// ------------------------------------------------------------------ the answer

const own = () => find("reader").value === "own";
let reading = false, again = false;

const rows = [...Array(10).keys()].map(digit => {
  const row = find("chances").tBodies[0].insertRow();
  row.innerHTML = `<th scope="row">${digit}</th><td><div class="bar"><div></div></div></td><td>0.0 %</td>`;
  find("label").add(new Option(digit));
  return row;
});

async function read() { // the newest drawing, when the one before it has been read
  again = true;
  if (reading) return;
  reading = true;
  try {
    while (again) {
      again = false;
      const pixels = ink(), empty = !pixels.some(Boolean);
      show(await ask("look", [own()], { pixels, size: SIDE }), empty);
    }
    fail("");
  } catch (error) {
    fail(`The drawing could not be read: ${error.message}`);
  } finally {
    reading = false;
  }
}

const percent = share => `${(100 * share).toFixed(1)} %`;

function show(found, empty) {
  rows.forEach((row, digit) => {
    const chance = empty ? 0 : found.chances[digit];
    row.querySelector(".bar div").style.width = `${100 * chance}%`;
    row.cells[2].textContent = percent(chance);
  });
  find("answer").textContent = empty ? "Draw a digit" : `It reads ${found.answer} (${percent(found.chances[found.answer])})`;
  drawMap(find("seen"), found.image, 1, true);
  drawMap(find("saliency"), empty ? found.image.map(row => row.map(() => 0)) : found.saliency);
  showLayers(found.layers);
}

// Values as pixels: blue below zero, orange above, or ink on white.
function colour(value, most, plain) {
  const part = most ? Math.min(1, Math.abs(value) / most) : 0;
  const [r, g, b] = plain ? [0, 0, 0] : value < 0 ? [31, 95, 168] : [214, 110, 40];
  return [r, g, b].map(c => Math.round(255 - (255 - c) * part));
}

const largest = values => values.flat(Infinity).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

function drawMap(canvas, values, most = largest(values), plain = false) {
  const [high, wide] = [values.length, values[0].length], brush = canvas.getContext("2d");
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const image = brush.createImageData(wide, high);
  values.flat().forEach((value, k) => image.data.set([...colour(value, most, plain), 255], 4 * k));
  brush.putImageData(image, 0, 0);
}

let layout = "";
function showLayers(layers) {
  const shape = JSON.stringify(layers.map(l => [l.name, l.layer, l.maps.length]));
  if (shape !== layout) { // another network
    layout = shape;
    find("story").hidden = true;
    find("layers").replaceChildren(...layers.map(l => {
      const box = document.createElement("div"), maps = document.createElement("div");
      maps.className = l.maps.length > 8 ? "maps many" : "maps";
      l.maps.forEach((map, k) => maps.append(mapOf(l, k)));
      box.innerHTML = `<h3>${l.name}: ${l.maps.length} maps of ${l.maps[0].length} x ${l.maps[0][0].length}</h3>`;
      box.append(maps);
      return box;
    }));
  }
  layers.forEach((l, n) => {
    const most = largest(l.maps);
    l.maps.forEach((map, k) => drawMap(find("layers").children[n].querySelectorAll("canvas")[k], map, most));
  });
  if (chosen && !find("story").hidden) tell();
}

let chosen = null;
function mapOf(layer, number) {
  const canvas = document.createElement("canvas");
  canvas.className = "map";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${layer.name}, map ${number + 1}`);
  if (layer.name !== "Conv2d") return canvas;
  canvas.classList.add("live");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "button");
  let row = 8, column = 8;
  const choose = () => {
    row = Math.max(0, Math.min(canvas.height - 1, row));
    column = Math.max(0, Math.min(canvas.width - 1, column));
    chosen = { layer: layer.layer, number, row, column };
    tell();
  };
  canvas.onclick = event => {
    const box = canvas.getBoundingClientRect();
    row = Math.floor((event.clientY - box.top) * canvas.height / box.height);
    column = Math.floor((event.clientX - box.left) * canvas.width / box.width);
    choose();
  };
  canvas.onkeydown = event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Enter: [0, 0], " ": [0, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    row += step[0];
    column += step[1];
    choose();
  };
  return canvas;
}

// The story of one pixel: the window of the channel that adds most, and what the other channels add.
async function tell() {
  const { layer, number, row, column } = chosen;
  let found;
  try {
    found = await ask("story", [layer, number, row, column, own()]);
  } catch (error) {
    return fail(`The pixel could not be explained: ${error.message}`);
  }
  const sums = found.products.map(channel => channel.flat().reduce((a, b) => a + b, 0));
  const most = sums.reduce((best, v, k) => Math.abs(v) > Math.abs(sums[best]) ? k : best, 0);
  find("story").hidden = false;
  find("storytitle").textContent = `Map ${number + 1}, row ${row + 1}, column ${column + 1}: window x filter = value`;
  find("storymaths").replaceChildren(
    grid(found.window[most], "window"), sign("x"), grid(found.filter[most], "filter"), sign("="), grid(found.products[most], "products"));
  const channel = sums.length > 1 ? ` of channel ${most + 1}, which adds most` : "";
  const rest = sums.length > 1 ? `, all ${sums.length} channels add ${round(sums.reduce((a, b) => a + b, 0))}` : "";
  const bias = found.bias ? `, the bias adds ${round(found.bias)}` : "";
  find("storysum").textContent = `The products${channel} add up to ${round(sums[most])}${rest}${bias}: the value is ${round(found.value)}.`;
  drawMap(find("reach"), found.gradient);
}

const round = v => String(+v.toPrecision(3));
const sign = text => Object.assign(document.createElement("span"), { textContent: text });
function grid(values, name) {
  const table = document.createElement("table"), most = largest(values);
  table.createCaption().textContent = name;
  for (const row of values) {
    const line = table.insertRow();
    for (const value of row) {
      const cell = line.insertCell(), [r, g, b] = colour(value, most);
      cell.textContent = value.toFixed(2);
      cell.style.background = `rgb(${r},${g},${b})`;
      if (value < 0 && Math.abs(value) > .6 * most) cell.style.color = "#fff";
    }
  }
  return table;
}

// -------------------------------------------------------------------- training

let training = false, begun = false, losses = [], accuracy = 0, progress = null;

function controls() {
  find("start").disabled = training;
  find("stop").disabled = !training;
  find("start").textContent = begun ? "Go on" : "Start";
  find("network").disabled = find("reset").disabled = training;
}

async function begin() {
  await ask("begin", [find("network").value, +find("rate").value]);
  begun = true;
  losses = [];
  progress = null;
  const option = find("reader").options[1];
  option.disabled = false;
  find("reader").value = "own";
}

find("start").onclick = async () => {
  training = true;
  controls();
  try {
    if (!begun) await begin();
    for (let slice = 1; training; slice++) {
      progress = await ask("train", [0.1]);
      losses.push(...progress.losses);
      if (!losses.every(Number.isFinite)) throw new Error("the loss has become infinite; choose a smaller learning rate and a new network");
      if (slice % 5 === 1) {
        accuracy = await ask("accuracy");
        read();
      }
      report();
    }
  } catch (error) {
    find("progress").textContent = `Stopped: ${error.message}`;
    begun = false;
    find("reader").options[1].disabled = true;
    find("reader").value = "";
  } finally {
    if (begun && progress) {
      accuracy = await ask("accuracy");
      report();
    }
    training = false;
    controls();
    read();
  }
};
find("stop").onclick = () => { training = false; };
find("rate").onchange = () => begun && ask("set_rate", [+find("rate").value]);
find("network").onchange = find("reset").onclick = () => {
  begun = false;
  losses = [];
  find("progress").textContent = "Not trained yet";
  find("reader").options[1].disabled = true;
  find("reader").value = "";
  drawCurve();
  controls();
  read();
};
find("reader").onchange = read;

function report() {
  find("progress").textContent = `Step ${progress.steps.toLocaleString("en")}, epoch ${progress.epoch.toFixed(1)}: ` +
    `loss ${mean(losses.slice(-20)).toFixed(3)}, ${percent(accuracy)} of the 360 test digits read`;
  drawCurve();
}
const mean = values => values.reduce((a, b) => a + b, 0) / values.length;

function drawCurve() {
  const canvas = find("curve"), brush = canvas.getContext("2d"), { width, height } = canvas;
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, width, height);
  brush.font = "13px system-ui, sans-serif";
  brush.fillStyle = brush.strokeStyle = "#555";
  const top = Math.max(2.5, ...losses.slice(0, 20)), y = loss => height - 20 - (height - 32) * Math.min(1, loss / top);
  for (const tick of [0, 1, 2]) {
    brush.fillText(tick, 4, y(tick) + 4);
    brush.globalAlpha = .25;
    brush.strokeRect(18, y(tick), width - 26, 0);
    brush.globalAlpha = 1;
  }
  brush.fillText("loss of each step, and its mean over 20", 40, 14);
  const x = k => 18 + (width - 26) * k / Math.max(100, losses.length - 1);
  const line = (values, look, wide) => {
    brush.strokeStyle = look;
    brush.lineWidth = wide;
    brush.beginPath();
    values.forEach((loss, k) => brush.lineTo(x(k), y(loss)));
    brush.stroke();
  };
  line(losses, "#a9c6e8", 1);
  line(losses.map((_, k) => mean(losses.slice(Math.max(0, k - 19), k + 1))), "#1f5fa8", 2);
}

find("teach").onclick = async () => {
  const pixels = ink();
  if (!pixels.some(Boolean)) {
    find("taught").textContent = "Draw a digit above first";
    return;
  }
  const label = find("label").value, count = await ask("teach", [+label], { pixels, size: SIDE });
  find("taught").textContent = `Taught as a ${label}; ${count} drawing${count > 1 ? "s" : ""} of yours so far`;
};

paint();
drawCurve();
controls();
