// A mask as pixels of the photo, 0 or 1, and what was done to it. Nothing is smoothed: a pixel is
// marked or not, by whole numbers, so that the file holds exactly what was drawn.

// Undo keeps so many changes, and so many numbers in all of them.
const MOST_STEPS = 500;
const MOST_NUMBERS = 1 << 25;

export class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height);
    this.kept = new Uint8Array(width * height); // as after the last `commit`
    this.done = []; // each: the edges of the runs of pixels that changed
    this.undone = [];
    this.touched = null; // [x0, y0, x1, y1], the ends not included
    this.ondraw = () => {}; // told which rectangle changed
  }

  // --- drawing: `value` 1 marks, 0 takes away ----------------------------------------------

  // A disc of an odd width drawn from one pixel to another: all pixels whose centre is at most
  // width / 2 from the line between the two centres.
  brush([ax, ay], [bx, by], width, value) {
    const reach = (width - 1) / 2;
    const rect = this.clip([
      Math.min(ax, bx) - reach, Math.min(ay, by) - reach,
      Math.max(ax, bx) + reach + 1, Math.max(ay, by) + reach + 1,
    ]);
    if (!rect) return;
    const dx = bx - ax, dy = by - ay, long = dx * dx + dy * dy, most = width * width;
    for (let y = rect[1]; y < rect[3]; y++)
      for (let x = rect[0]; x < rect[2]; x++) {
        const px = x - ax, py = y - ay, along = px * dx + py * dy;
        let near;
        if (along <= 0) near = 4 * (px * px + py * py) <= most;
        else if (along >= long) near = 4 * ((x - bx) ** 2 + (y - by) ** 2) <= most;
        else near = 4 * (px * dy - py * dx) ** 2 <= most * long;
        if (near) this.pixels[y * this.width + x] = value;
      }
    this.touch(rect);
  }

  // All pixels whose centre lies inside of the outline through the centres of the corners, and
  // those along it, so that the corners themselves are marked.
  polygon(points, value) {
    if (!points.length) return;
    const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const rect = this.clip([
      Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1,
    ]);
    for (let y = rect ? rect[1] : 0; rect && y < rect[3]; y++) {
      const cuts = [];
      points.forEach(([ax, ay], at) => {
        const [bx, by] = points[(at + 1) % points.length];
        if (ay <= y !== by <= y) cuts.push(ax + ((y - ay) * (bx - ax)) / (by - ay));
      });
      cuts.sort((one, other) => one - other);
      for (let at = 0; at + 1 < cuts.length; at += 2) {
        const start = Math.max(rect[0], Math.ceil(cuts[at]));
        const end = Math.min(rect[2], Math.floor(cuts[at + 1]) + 1);
        if (end > start) this.pixels.fill(value, y * this.width + start, y * this.width + end);
      }
    }
    if (rect) this.touch(rect);
    points.forEach((point, at) => this.brush(point, points[(at + 1) % points.length], 1, value));
  }

  // All pixels from one corner to the other, both included.
  box([ax, ay], [bx, by], value) {
    const rect = this.clip([
      Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx) + 1, Math.max(ay, by) + 1,
    ]);
    if (!rect) return;
    for (let y = rect[1]; y < rect[3]; y++)
      this.pixels.fill(value, y * this.width + rect[0], y * this.width + rect[2]);
    this.touch(rect);
  }

  // Other pixels altogether: `runs` as the server gives them.
  replace(runs) {
    this.pixels.fill(0);
    for (let at = 2; at + 1 < runs.length; at += 2) this.pixels.fill(1, runs[at], runs[at + 1]);
    this.touch([0, 0, this.width, this.height]);
  }

  // The same, as what there is to begin with: nothing of it can be undone.
  begin(runs) {
    this.replace(runs);
    this.kept.set(this.pixels);
    this.touched = null;
    this.done = [];
    this.undone = [];
  }

  // --- what was done -----------------------------------------------------------------------

  // End a stroke; whether it changed anything.
  commit() {
    const flips = this.touched ? this.changes(this.touched) : [];
    this.touched = null;
    if (!flips.length) return false;
    this.flip(flips, this.kept);
    this.done.push(Uint32Array.from(flips));
    this.undone = [];
    let numbers = this.done.reduce((sum, each) => sum + each.length, 0);
    while (this.done.length > 1 && (this.done.length > MOST_STEPS || numbers > MOST_NUMBERS))
      numbers -= this.done.shift().length;
    return true;
  }

  // Take back what was drawn since the last `commit`.
  cancel() {
    if (!this.touched) return;
    const [x0, y0, x1, y1] = this.touched;
    for (let y = y0; y < y1; y++) {
      const from = y * this.width + x0, to = y * this.width + x1;
      this.pixels.set(this.kept.subarray(from, to), from);
    }
    this.ondraw(this.touched);
    this.touched = null;
  }

  undo() { return this.step(this.done, this.undone); }
  redo() { return this.step(this.undone, this.done); }

  step(from, to) {
    this.cancel();
    const flips = from.pop();
    if (!flips) return false;
    this.flip(flips, this.pixels);
    this.flip(flips, this.kept);
    to.push(flips);
    const rows = flips.length
      ? [Math.floor(flips[0] / this.width), Math.floor((flips[flips.length - 1] - 1) / this.width)]
      : [0, -1];
    this.ondraw([0, rows[0], this.width, rows[1] + 1]);
    return true;
  }

  // Edges of the runs of pixels in a rectangle that differ from the last `commit`.
  changes([x0, y0, x1, y1]) {
    const flips = [];
    for (let y = y0; y < y1; y++) {
      const end = y * this.width + x1;
      for (let at = y * this.width + x0; at < end; at++) {
        if (this.pixels[at] === this.kept[at]) continue;
        flips.push(at);
        while (at < end && this.pixels[at] !== this.kept[at]) at++;
        flips.push(at);
      }
    }
    return flips;
  }

  flip(flips, pixels) {
    for (let run = 0; run < flips.length; run += 2)
      for (let at = flips[run]; at < flips[run + 1]; at++) pixels[at] ^= 1;
  }

  // --- for the server ----------------------------------------------------------------------

  // Width and height, then start and end of each run of marked pixels in reading order.
  runs() {
    const edges = [this.width, this.height], pixels = this.kept;
    let at = pixels.indexOf(1);
    while (at >= 0) {
      edges.push(at);
      at = pixels.indexOf(0, at);
      edges.push(at < 0 ? pixels.length : at);
      if (at >= 0) at = pixels.indexOf(1, at);
    }
    const view = new DataView(new ArrayBuffer(4 * edges.length));
    edges.forEach((edge, place) => view.setUint32(4 * place, edge, true));
    return view.buffer;
  }

  isEmpty() { return this.kept.indexOf(1) < 0; }

  clip([x0, y0, x1, y1]) {
    const rect = [
      Math.max(0, x0), Math.max(0, y0), Math.min(this.width, x1), Math.min(this.height, y1),
    ];
    return rect[0] < rect[2] && rect[1] < rect[3] ? rect : null;
  }

  touch(rect) {
    const old = this.touched || rect;
    this.touched = [
      Math.min(old[0], rect[0]), Math.min(old[1], rect[1]),
      Math.max(old[2], rect[2]), Math.max(old[3], rect[3]),
    ];
    this.ondraw(rect);
  }
}

// What the server gives as text: 32 bits each, the lowest byte first.
export function runsOf(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Uint32Array.from({length: bytes.length / 4}, (_, at) => view.getUint32(4 * at, true));
}
