// The page: which photo is open, what the tools do, and what a person reads about it.
import {Mask, runsOf} from "./mask.js";
import {View} from "./view.js";
import {Keeper, ask} from "./keeper.js";

const $ = (id) => document.getElementById(id);
const STATES = {empty: "", saved: "saved", draft: "not saved", proposed: "proposed, not saved"};
const BIGGEST = 201; // of the brush, in pixels of the photo

const view = new View($("canvas"));
let photos = [], at = -1, mask = null, keeper = null, opening = 0;
let tool = "brush", erases = false, size = 1;
let corners = [], corner = null; // of a polygon, and the first one of a box
let pointer = null, cursor = null, lowered = false; // the mouse's pixel, the keyboard's pixel
let last = null, panned = null; // where a stroke has got to, and where a hand holds the photo
const touches = new Map();

// --- photos -----------------------------------------------------------------------------------

function stated(state) {
  const mark = document.createElement("span");
  mark.className = `state ${state}`;
  mark.textContent = STATES[state];
  return mark;
}

function listed() {
  const rows = photos.map((photo, number) => {
    const row = document.createElement("li"), button = document.createElement("button");
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = photo.name;
    if (photo.group) name.append(Object.assign(document.createElement("small"), {textContent: photo.group}));
    button.type = "button";
    button.dataset.number = number;
    button.append(name, stated(photo.state));
    row.append(button);
    return row;
  });
  $("photos").replaceChildren(...rows);
  counted();
}

function counted() {
  const is = (state) => photos.filter((photo) => photo.state === state).length;
  const drafts = is("draft");
  $("count").textContent = `${photos.length} photo${photos.length === 1 ? "" : "s"}, ${is("saved")} with a mask`
    + (drafts ? `, ${drafts} not saved` : "");
}

function become(state) {
  // A proposal is nothing that the server has.
  if (at >= 0 && state !== "proposed") {
    photos[at].state = state;
    $("photos").children[at].querySelector(".state").replaceWith(stated(state));
  }
  $("state").replaceWith(Object.assign(stated(state), {id: "state"}));
  counted();
}

async function open(number) {
  if (number < 0 || number >= photos.length) return;
  finish();
  if (keeper && number !== at && !(await keeper.flush())) {
    alarm("The last strokes have not reached the server, so this photo stays open.", keeper.stopped);
    return;
  }
  const mine = (opening += 1);
  keeper = mask = null;
  corners = [];
  corner = cursor = last = pointer = null;
  lowered = false;
  at = number;
  view.close();
  history.replaceState(null, "", `#${number + 1}`);
  for (const button of $("photos").querySelectorAll("button"))
    button.setAttribute("aria-current", String(Number(button.dataset.number) === number));
  $("photos").children[number].scrollIntoView({block: "nearest"});
  $("name").textContent = [photos[number].group, photos[number].name].filter(Boolean).join(", ");
  $("message").textContent = photos[number].state === "empty" && proposes
    ? "Opening; the model looks at it …" : "Opening …";
  $("message").hidden = false;
  alarm("");
  buttons();
  try {
    const [picture, told] = await Promise.all([
      ask(`photos/${number}/picture`).then((answer) => answer.blob()).then(createImageBitmap),
      ask(`photos/${number}/mask`).then((answer) => answer.json()),
    ]);
    if (mine !== opening) return picture.close();
    begin(number, picture, told);
  } catch (error) {
    if (mine !== opening) return;
    $("message").textContent = "This photo cannot be opened.";
    alarm(error.message, true);
  }
}

function begin(number, picture, told) {
  const runs = runsOf(told.runs);
  mask = new Mask(runs[0], runs[1]);
  mask.begin(runs);
  keeper = new Keeper(number, mask, told.version, kept);
  size = odd(Math.max(3, Math.min(mask.width, mask.height) / 40));
  resize(size);
  $("message").hidden = true;
  view.open(picture, mask);
  become(told.state);
  if (told.note) alarm(told.note);
  say(told.state === "proposed"
    ? `The model's map, ${regions(told.regions)}. Nothing of it is saved yet.`
    : told.state === "draft" ? `Strokes of an earlier visit, ${regions(told.regions)}, not saved yet.`
    : told.state === "saved" ? `The saved mask, ${regions(told.regions)}.` : "No mask yet.");
  buttons();
}

const regions = (count) => count === 1 ? "1 region" : `${count} regions`;
const say = (text) => { $("told").textContent = text; };

function alarm(text, again = false) {
  $("alert").replaceChildren(text);
  if (!again || !text) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Open it again";
  button.onclick = () => {
    if (keeper) keeper.stopped = true;
    keeper = null;
    open(at);
  };
  $("alert").append(button);
}

// What became of the last stroke.
function kept(what, why) {
  if (what === "keeping") return say("Keeping the last stroke …");
  if (what === "kept") {
    alarm("");
    become("draft");
    return say(`Kept, not saved yet: ${regions(why)}.`);
  }
  if (what === "lost")
    return alarm(`Not kept: ${why}. Leave this page open; it tries again every two seconds.`);
  return alarm(`Not kept: ${why}`, true);
}

function buttons() {
  const none = !mask;
  for (const id of ["save", "clear", "propose"]) $(id).disabled = none;
  $("undo").disabled = none || !mask.done.length;
  $("redo").disabled = none || !mask.undone.length;
  $("discard").disabled = none || !["draft", "proposed"].some((each) => $("state").classList.contains(each));
  $("previous").disabled = at <= 0;
  $("next").disabled = at >= photos.length - 1;
  $("zoom").textContent = `${Math.round(100 * view.scale)} %`;
}

function changed() {
  become("draft");
  keeper.changed();
  buttons();
}

// End what is being drawn.
function ended() {
  if (mask && mask.commit()) changed();
}

async function save() {
  if (!mask) return;
  finish();
  const mine = keeper;
  try {
    const {regions: count} = await mine.finish("mask", "POST");
    if (mine !== keeper) return;
    become(mine.waits ? "draft" : "saved");
    alarm("");
    say(count ? `Saved: ${regions(count)}.`
      : "Saved, with nothing marked: a photo of a defect should have something.");
    buttons();
  } catch (error) {
    if (mine === keeper) alarm(`Not saved: ${error.message}`, error.status === 409);
  }
}

async function discard() {
  const mine = keeper;
  try {
    if (!(await mine.flush())) return;
    await mine.finish("draft", "DELETE");
    const told = await (await ask(`photos/${mine.number}/mask`)).json();
    if (mine !== keeper) return;
    mask.replace(runsOf(told.runs));
    mask.commit();
    become(told.state);
    say(told.state === "empty" ? "No mask was saved." : `As it was saved, ${regions(told.regions)}.`);
    buttons();
  } catch (error) {
    alarm(error.message, error.status === 409);
  }
}

async function propose() {
  const mine = keeper;
  say("The model looks at the photo …");
  try {
    const told = await (await ask(`photos/${mine.number}/proposal`)).json();
    if (mine !== keeper) return;
    mask.cancel();
    mask.replace(runsOf(told.runs));
    ended();
    say(`The model's map, ${regions(told.regions)}; Undo brings back what was there.`);
  } catch (error) {
    alarm(error.message);
  }
}

// --- tools ------------------------------------------------------------------------------------

const odd = (number) => Math.min(BIGGEST, Math.max(1, 2 * Math.round((number - 1) / 2) + 1));

function resize(next) {
  size = odd(next);
  $("size").value = size;
  $("size-told").textContent = `${size} px`;
  view.draw();
}

function choose(next) {
  if (next !== tool) finish();
  tool = next;
  document.querySelector(`input[name=tool][value=${next}]`).checked = true;
  $("canvas").classList.toggle("moves", tool === "move");
  view.draw();
}

function erase(on) {
  if (lowered || last) finish();
  erases = on;
  $("erase").setAttribute("aria-pressed", String(on));
  view.draw();
}

// End what is begun: a stroke, and a polygon that has an inside.
function finish() {
  if (lowered || last) ended();
  if (corners.length > 2) closed();
  lowered = false;
  last = corner = null;
  corners = [];
  view.draw();
}

function giveUp() {
  if (mask) mask.cancel();
  lowered = false;
  last = corner = null;
  corners = [];
  view.draw();
}

function closed() {
  if (!corners.length) return;
  mask.polygon(corners, erases ? 0 : 1);
  corners = [];
  ended();
  view.draw();
}

function setCorner(pixel) {
  const before = corners[corners.length - 1];
  if (!before || before[0] !== pixel[0] || before[1] !== pixel[1]) corners.push(pixel);
  view.draw();
}

// Whether a place of the screen means the polygon's first corner.
function closes(pixel) {
  if (corners.length < 3) return false;
  const [x, y] = corners[0];
  return Math.hypot(pixel[0] - x, pixel[1] - y) * view.scale < 8;
}

const within = ([x, y]) => [
  Math.min(mask.width - 1, Math.max(0, x)), Math.min(mask.height - 1, Math.max(0, y)),
];

function pressed(pixel) {
  if (tool === "brush") {
    last = pixel;
    mask.brush(pixel, pixel, size, erases ? 0 : 1);
  } else if (tool === "box") {
    corner = within(pixel);
  } else if (tool === "polygon") {
    if (closes(pixel)) closed();
    else setCorner(within(pixel));
  }
}

function moved(pixel) {
  if (last && (pixel[0] !== last[0] || pixel[1] !== last[1])) {
    mask.brush(last, pixel, size, erases ? 0 : 1);
    last = pixel;
  }
}

function released(pixel) {
  if (tool === "box" && corner) {
    mask.box(corner, within(pixel), erases ? 0 : 1);
    corner = null;
  }
  last = null;
  ended();
  view.draw();
}

// --- the mouse, a pen, fingers ----------------------------------------------------------------

$("canvas").addEventListener("pointerdown", (event) => {
  if (!mask) return;
  if (lowered) finish();
  cursor = null;
  $("canvas").setPointerCapture(event.pointerId);
  touches.set(event.pointerId, event);
  if (event.pointerType === "touch" && touches.size === 2) {
    giveUp();
    panned = spread();
  } else if (event.button === 1 || (event.button === 0 && tool === "move")) {
    panned = spread();
    event.preventDefault();
  } else if (event.button === 0 && touches.size === 1) {
    pressed(view.pixel(event));
  }
});

$("canvas").addEventListener("pointermove", (event) => {
  if (!mask) return;
  pointer = view.pixel(event);
  if (touches.has(event.pointerId)) touches.set(event.pointerId, event);
  if (panned) {
    const now = spread();
    view.move(now.x - panned.x, now.y - panned.y);
    if (panned.apart && now.apart) {
      const box = $("canvas").getBoundingClientRect();
      view.zoom((view.scale * now.apart) / panned.apart, now.x - box.left, now.y - box.top);
    }
    panned = now;
    buttons();
  } else if (last) {
    const between = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of between.length ? between : [event]) moved(view.pixel(each));
  }
  view.draw();
});

for (const name of ["pointerup", "pointercancel"])
  $("canvas").addEventListener(name, (event) => {
    if (!touches.delete(event.pointerId) || !mask) return;
    if (panned) panned = touches.size ? spread() : null;
    else if (name === "pointercancel") giveUp();
    else if (last || corner) {
      moved(view.pixel(event));
      released(view.pixel(event));
    }
  });

$("canvas").addEventListener("pointerleave", () => {
  pointer = null;
  view.draw();
});
$("canvas").addEventListener("dblclick", closed);
$("canvas").addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = $("canvas").getBoundingClientRect();
  view.zoom(view.scale * 1.2 ** -Math.sign(event.deltaY), event.clientX - box.left, event.clientY - box.top);
  buttons();
}, {passive: false});

// The middle of all fingers, and how far apart two of them are.
function spread() {
  const all = [...touches.values()];
  const mean = (of) => all.reduce((sum, each) => sum + of(each), 0) / Math.max(1, all.length);
  return {
    x: mean((each) => each.clientX),
    y: mean((each) => each.clientY),
    apart: all.length === 2
      ? Math.hypot(all[0].clientX - all[1].clientX, all[0].clientY - all[1].clientY) : 0,
  };
}

// --- the keyboard -----------------------------------------------------------------------------

const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
const KEYS = {
  b: () => choose("brush"), g: () => choose("polygon"), x: () => choose("box"), h: () => choose("move"),
  e: () => erase(!erases), n: () => open(at + 1), p: () => open(at - 1),
  "[": () => resize(size - Math.max(2, size / 5)), "]": () => resize(size + Math.max(2, size / 5)),
  "+": () => zoomed(1.25), "=": () => zoomed(1.25), "-": () => zoomed(0.8),
  0: () => fitted(), 1: () => one(),
  m: () => { view.shows = !view.shows; view.draw(); },
  Escape: giveUp, Enter: closed, Backspace: () => { corners.pop(); view.draw(); },
};

function onCanvas(event) {
  const step = ARROWS[event.key];
  if (step && mask) {
    const far = event.shiftKey ? 10 : 1;
    const from = cursor || pointer || [Math.floor(mask.width / 2), Math.floor(mask.height / 2)];
    cursor = within(cursor ? [from[0] + far * step[0], from[1] + far * step[1]] : from);
    if (tool === "move") view.move(-40 * step[0], -40 * step[1]);
    else view.follow(cursor);
    if (lowered) moved(cursor);
    $("pointer").textContent = `column ${cursor[0] + 1}, row ${cursor[1] + 1}`;
  } else if (event.key === " " && mask) {
    cursor = cursor || within(pointer || [mask.width / 2, mask.height / 2].map(Math.floor));
    if (tool === "brush" && lowered) {
      lowered = false;
      released(cursor);
    } else if (tool === "box" && corner) released(cursor);
    else {
      lowered = tool === "brush";
      pressed(cursor);
    }
  } else return false;
  view.draw();
  return true;
}

document.addEventListener("keydown", (event) => {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    const does = {s: save, z: event.shiftKey ? redo : undo, y: redo}[key];
    if (!does || event.altKey) return;
    event.preventDefault();
    does();
    return;
  }
  if (event.altKey) return;
  const where = event.target;
  if (where === $("canvas") && onCanvas(event)) event.preventDefault();
  else if (KEYS[key] && mask !== undefined) {
    // Where Enter or a digit means something by itself, it keeps that meaning.
    const own = where.closest && where.closest("button, summary, a, select");
    if (own && (key === "Enter" || where.tagName === "SELECT")) return;
    event.preventDefault();
    KEYS[key]();
  }
});

function undo() {
  if (!mask) return;
  if (corners.length) return KEYS.Backspace();
  finish();
  if (mask.undo()) changed();
}

function redo() {
  if (!mask || corners.length) return;
  finish();
  if (mask.redo()) changed();
}

function zoomed(by) { view.zoom(view.scale * by); buttons(); }
function fitted() { view.fit(); buttons(); }
function one() { view.zoom(1); buttons(); }

// --- what is drawn over the photo -------------------------------------------------------------

view.over = (pen) => {
  const here = cursor || pointer;
  const middle = ([x, y]) => view.onScreen(x + 0.5, y + 0.5);
  const twice = (draw) => {
    // Dark below bright: seen on every photo.
    for (const [colour, width] of [["#000", 3], [erases ? "#fff" : "#ffe95c", 1.5]]) {
      Object.assign(pen, {strokeStyle: colour, lineWidth: width});
      pen.beginPath();
      draw();
      pen.stroke();
    }
  };
  if (corners.length)
    twice(() => {
      for (const each of here && tool === "polygon" ? [...corners, here] : corners) pen.lineTo(...middle(each));
      for (const each of corners) {
        const [x, y] = middle(each);
        pen.moveTo(x + 4, y);
        pen.arc(x, y, 4, 0, 7);
      }
    });
  if (corner && here) {
    const [x0, y0] = view.onScreen(Math.min(corner[0], here[0]), Math.min(corner[1], here[1]));
    const [x1, y1] = view.onScreen(Math.max(corner[0], here[0]) + 1, Math.max(corner[1], here[1]) + 1);
    twice(() => pen.rect(x0, y0, x1 - x0, y1 - y0));
  }
  if (here && tool === "brush")
    twice(() => pen.arc(...middle(here), Math.max(1, (size * view.scale) / 2), 0, 7));
  if (cursor) {
    const [x, y] = middle(cursor);
    twice(() => {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + 4 * dx, y + 4 * dy);
        pen.lineTo(x + 12 * dx, y + 12 * dy);
      }
    });
  }
};

// --- the page ---------------------------------------------------------------------------------

for (const radio of document.querySelectorAll("input[name=tool]"))
  radio.addEventListener("change", () => choose(radio.value));
const clicks = {
  previous: () => open(at - 1), next: () => open(at + 1), save, undo, redo, discard, propose,
  erase: () => erase(!erases), fit: fitted, whole: one, in: () => zoomed(1.25), out: () => zoomed(0.8),
  clear: () => {
    finish();
    mask.box([0, 0], [mask.width - 1, mask.height - 1], 0);
    ended();
  },
};
for (const [id, does] of Object.entries(clicks)) $(id).addEventListener("click", does);
$("size").addEventListener("input", () => resize(Number($("size").value)));
$("opacity").addEventListener("input", () => {
  view.opacity = Number($("opacity").value) / 100;
  view.draw();
});
$("colour").addEventListener("change", () => view.recolour($("colour").value.split(",").map(Number)));
$("photos").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button && Number(button.dataset.number) !== at) open(Number(button.dataset.number));
});
new ResizeObserver(buttons).observe($("canvas"));
window.addEventListener("beforeunload", (event) => {
  if (lowered || last) ended();
  if (keeper && keeper.waits && (keeper.stopped || keeper.timer)) event.preventDefault();
});
window.addEventListener("pagehide", () => keeper && keeper.leave());

let proposes = false;
if (window.matchMedia("(max-width: 760px)").matches) $("drawer").open = false;
try {
  const told = await (await ask("photos")).json();
  photos = told.photos;
  proposes = told.proposes;
  $("propose").hidden = !proposes;
  listed();
  const wanted = Number(location.hash.slice(1)) - 1;
  open(wanted >= 0 && wanted < photos.length ? wanted : 0);
} catch (error) {
  $("message").textContent = "There is nothing to draw on.";
  alarm(error.message);
}
