// The photo with its mask on the screen: where it lies, how large, and what is drawn over it.

const LEAST_SEEN = 40; // pixels of the screen of the photo that always stay in sight
const CLOSEST = 64; // pixels of the screen for one of the photo

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.tint = document.createElement("canvas");
    this.scale = 1; // pixels of the screen for one of the photo
    this.left = this.top = 0; // of the photo, in pixels of the screen from the canvas's corner
    this.fits = true;
    this.colour = [255, 0, 80];
    this.opacity = 0.5;
    this.shows = true;
    this.photo = this.mask = null;
    this.over = () => {}; // draws what is not the mask: outlines, the pointer
    new ResizeObserver(() => this.resized()).observe(canvas);
  }

  open(photo, mask) {
    this.photo = photo;
    this.mask = mask;
    this.tint.width = mask.width;
    this.tint.height = mask.height;
    mask.ondraw = (rect) => this.tinted(rect);
    this.tinted([0, 0, mask.width, mask.height]);
    this.fit();
  }

  close() {
    if (this.photo) this.photo.close();
    this.photo = this.mask = null;
    this.draw();
  }

  // --- where it lies -----------------------------------------------------------------------

  get width() { return this.canvas.clientWidth; }
  get height() { return this.canvas.clientHeight; }

  fit() {
    if (!this.mask) return;
    this.fits = true;
    this.scale = Math.min(CLOSEST, this.width / this.mask.width, this.height / this.mask.height);
    this.left = (this.width - this.scale * this.mask.width) / 2;
    this.top = (this.height - this.scale * this.mask.height) / 2;
    this.draw();
  }

  // Another scale; the pixel at a place of the canvas stays there.
  zoom(scale, x = this.width / 2, y = this.height / 2) {
    if (!this.mask) return;
    const least = Math.min(1, this.width / this.mask.width, this.height / this.mask.height) / 4;
    const next = Math.min(CLOSEST, Math.max(least, scale));
    this.left = x - (x - this.left) * (next / this.scale);
    this.top = y - (y - this.top) * (next / this.scale);
    this.scale = next;
    this.fits = false;
    this.hold();
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.fits = false;
    this.hold();
  }

  hold() {
    if (!this.mask) return;
    const wide = this.scale * this.mask.width, high = this.scale * this.mask.height;
    this.left = Math.min(this.width - LEAST_SEEN, Math.max(LEAST_SEEN - wide, this.left));
    this.top = Math.min(this.height - LEAST_SEEN, Math.max(LEAST_SEEN - high, this.top));
    this.draw();
  }

  // Bring a pixel of the photo into sight.
  follow([x, y]) {
    const [sx, sy] = this.onScreen(x + 0.5, y + 0.5);
    const dx = sx < 20 ? 20 - sx : sx > this.width - 20 ? this.width - 20 - sx : 0;
    const dy = sy < 20 ? 20 - sy : sy > this.height - 20 ? this.height - 20 - sy : 0;
    if (dx || dy) this.move(dx, dy);
  }

  // The pixel of the photo under a pointer.
  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      Math.floor((event.clientX - box.left - this.left) / this.scale),
      Math.floor((event.clientY - box.top - this.top) / this.scale),
    ];
  }

  onScreen(x, y) { return [this.left + this.scale * x, this.top + this.scale * y]; }

  resized() {
    if (this.fits) this.fit();
    else this.hold();
  }

  // --- the picture -------------------------------------------------------------------------

  tinted([x0, y0, x1, y1]) {
    if (x1 <= x0 || y1 <= y0) return;
    const pen = this.tint.getContext("2d");
    const part = pen.createImageData(x1 - x0, y1 - y0);
    const words = new Uint32Array(part.data.buffer);
    new Uint8Array(this.word ??= new ArrayBuffer(4)).set([...this.colour, 255]);
    const word = new Uint32Array(this.word)[0];
    let to = 0;
    for (let y = y0; y < y1; y++)
      for (let at = y * this.mask.width + x0; at < y * this.mask.width + x1; at++, to++)
        if (this.mask.pixels[at]) words[to] = word;
    pen.putImageData(part, x0, y0);
    this.draw();
  }

  recolour(colour) {
    this.colour = colour;
    if (this.mask) this.tinted([0, 0, this.mask.width, this.mask.height]);
  }

  draw() {
    // Many changes at once are drawn once.
    if (!this.waits) {
      this.waits = true;
      requestAnimationFrame(() => {
        this.waits = false;
        this.paint();
      });
    }
  }

  paint() {
    const ratio = window.devicePixelRatio || 1, pen = this.pen;
    const wide = Math.round(this.width * ratio), high = Math.round(this.height * ratio);
    if (this.canvas.width !== wide) this.canvas.width = wide;
    if (this.canvas.height !== high) this.canvas.height = high;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, wide, high);
    if (!this.mask) return;
    const {width, height} = this.mask;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.imageSmoothingEnabled = this.scale < 2;
    const place = [this.left, this.top, this.scale * width, this.scale * height];
    pen.drawImage(this.photo, ...place);
    if (this.shows) {
      pen.globalAlpha = this.opacity;
      pen.drawImage(this.tint, ...place);
      pen.globalAlpha = 1;
    }
    this.over(pen);
    // Where the photo lies, for whoever looks from outside.
    Object.assign(this.canvas.dataset, {scale: this.scale, left: this.left, top: this.top});
  }
}
