// What the page does in the browser by itself: opacity, boxes, comparing, enlarging, the marking of
// regions, and what Gradio's parts leave undone for keyboard and screen reader.
// One listener for the whole page, because Gradio replaces the viewer with every finding.
(() => {
  const viewerOf = (element) => element.closest && element.closest(".viewer");

  // --- the tab ------------------------------------------------------------------------------

  // Kept by this tab alone, and by no other page; 128 random bits, so nobody guesses it.
  window.deskTab = () => {
    let tab = sessionStorage.getItem("anomalygpt-tab");
    if (!tab) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      tab = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      sessionStorage.setItem("anomalygpt-tab", tab);
    }
    return tab;
  };

  // Gradio's reader of upload progress has no way to be closed, and warns of that at each upload.
  const warn = console.warn;
  console.warn = (...said) => {
    if (said[0] !== "Method not implemented.") warn.apply(console, said);
  };

  // --- the picture --------------------------------------------------------------------------

  document.addEventListener("input", (event) => {
    const viewer = viewerOf(event.target);
    if (!viewer) return;
    const is = (name) => event.target.classList.contains(name);
    if (is("heat-slider")) viewer.style.setProperty("--heat", event.target.value / 100);
    if (is("boxes-switch")) viewer.classList.toggle("no-boxes", !event.target.checked);
    if (is("plain-switch")) viewer.classList.toggle("plain", event.target.checked);
    if (is("compare")) compare(viewer, event.target.value);
  });

  const mark = (event, on) => {
    const row = event.target.closest && event.target.closest("tr[data-region]");
    const viewer = row && viewerOf(row);
    if (!viewer) return;
    for (const each of viewer.querySelectorAll(`[data-region="${row.dataset.region}"]`))
      each.classList.toggle("marked", on);
  };
  for (const name of ["mouseover", "focusin"])
    document.addEventListener(name, (event) => mark(event, true));
  for (const name of ["mouseout", "focusout"])
    document.addEventListener(name, (event) => mark(event, false));

  // --- photo and good part ------------------------------------------------------------------

  const BLINK = 900; // milliseconds; slow enough for everybody

  const compare = (viewer, how) => {
    const beside = viewer.querySelector(".beside");
    viewer.classList.toggle("compares", how === "beside");
    beside.hidden = how !== "beside";
    clearInterval(viewer.blinking);
    viewer.querySelectorAll(".stack .over").forEach((each) => each.remove());
    if (how !== "blink") return;
    const over = beside.querySelector(".good-part:not([hidden])").cloneNode();
    over.className = "over";
    viewer.querySelector(".stack").append(over);
    viewer.blinking = setInterval(() => {
      if (!viewer.isConnected) clearInterval(viewer.blinking);
      over.classList.toggle("gone");
    }, BLINK);
  };

  const nextGood = (viewer) => {
    const parts = [...viewer.querySelectorAll(".good-part")];
    const now = parts.findIndex((part) => !part.hidden);
    const next = (now + 1) % parts.length;
    parts.forEach((part, index) => (part.hidden = index !== next));
    viewer.querySelector(".which").textContent = next + 1;
  };

  // --- the whole window ---------------------------------------------------------------------

  const MOST = 12; // times as large as the window

  // Show the pane at a scale, with the same place of the photo under the point (x, y) of the pane.
  const zoom = (viewer, scale, x, y) => {
    const pane = viewer.querySelector(".pane");
    const stack = pane.querySelector(".stack");
    const before = Number(stack.style.getPropertyValue("--zoom")) || 1;
    const now = Math.min(MOST, Math.max(1, scale));
    x ??= pane.clientWidth / 2;
    y ??= pane.clientHeight / 2;
    const box = stack.getBoundingClientRect(), frame = pane.getBoundingClientRect();
    const u = (x + frame.left - box.left) / box.width, v = (y + frame.top - box.top) / box.height;
    stack.style.setProperty("--zoom", now);
    const after = stack.getBoundingClientRect();
    pane.scrollLeft += after.left + u * after.width - frame.left - x;
    pane.scrollTop += after.top + v * after.height - frame.top - y;
    viewer.querySelector(".zoom-level").textContent = `${Math.round(100 * now)} %`;
    return before;
  };
  const scaleOf = (viewer) =>
    Number(viewer.querySelector(".pane .stack").style.getPropertyValue("--zoom")) || 1;

  const enlarge = (viewer) => {
    const dialog = viewer.querySelector("dialog.enlarged");
    if (dialog.open) return;
    const stack = viewer.querySelector(".stack").cloneNode(true);
    for (const name of ["tabindex", "role", "aria-label"]) stack.removeAttribute(name);
    viewer.querySelector(".pane").replaceChildren(stack);
    viewer.querySelector(".zoom-level").textContent = "100 %";
    dialog.showModal();
    viewer.querySelector(".pane").focus();
  };

  // A region in the middle of the window, with some of the part around it.
  const closer = (viewer, number) => {
    enlarge(viewer);
    const pane = viewer.querySelector(".pane");
    const rect = pane.querySelector(`.boxes [data-region="${number}"] rect`);
    let box = rect.getBoundingClientRect();
    zoom(viewer, 0.4 * Math.min(pane.clientWidth / box.width, pane.clientHeight / box.height));
    box = rect.getBoundingClientRect();
    const frame = pane.getBoundingClientRect();
    pane.scrollLeft += box.left + box.width / 2 - frame.left - pane.clientWidth / 2;
    pane.scrollTop += box.top + box.height / 2 - frame.top - pane.clientHeight / 2;
  };

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (target.closest && target.closest(".add-good")) {
      document.querySelector("#references input[type=file]")?.click();
      return;
    }
    const viewer = viewerOf(target);
    if (!viewer) return;
    const at = (name) => target.closest(name);
    if (at(".close")) at("dialog").close();
    else if (at(".zoom-in")) zoom(viewer, 1.5 * scaleOf(viewer));
    else if (at(".zoom-out")) zoom(viewer, scaleOf(viewer) / 1.5);
    else if (at(".zoom-fit")) zoom(viewer, 1);
    else if (at(".closer")) closer(viewer, at("tr").dataset.region);
    else if (at(".next-good")) nextGood(viewer);
    else if (!at("dialog") && at(".stack, .enlarge")) enlarge(viewer);
  });

  document.addEventListener("keydown", (event) => {
    const viewer = viewerOf(event.target);
    if (!viewer) return;
    if (viewer.querySelector("dialog.enlarged").open) {
      if (["+", "="].includes(event.key)) zoom(viewer, 1.5 * scaleOf(viewer));
      if (event.key === "-") zoom(viewer, scaleOf(viewer) / 1.5);
    } else if (event.target.classList.contains("stack") && ["Enter", " "].includes(event.key)) {
      event.preventDefault();
      enlarge(viewer);
    }
  });

  document.addEventListener("wheel", (event) => {
    const pane = event.target.closest && event.target.closest(".pane");
    if (!pane) return;
    event.preventDefault();
    const viewer = viewerOf(pane), frame = pane.getBoundingClientRect();
    const scale = scaleOf(viewer) * Math.exp(-event.deltaY / 400);
    zoom(viewer, scale, event.clientX - frame.left, event.clientY - frame.top);
  }, {passive: false});

  // The photo follows the pointer.
  document.addEventListener("pointermove", (event) => {
    const pane = event.target.closest && event.target.closest(".pane");
    if (!pane || event.pointerType === "touch" || !(event.buttons & 1)) return;
    pane.scrollLeft -= event.movementX;
    pane.scrollTop -= event.movementY;
  });
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest && event.target.closest(".viewer")) event.preventDefault();
  });

  // --- what Gradio's parts leave undone -----------------------------------------------------

  const setUnlessSo = (element, name, value) => {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  // A photo that this browser cannot show, such as a TIFF: our own copy of it, or a sign.
  const SIGN = "data:image/svg+xml," + encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 160"><rect width="240" height="160" ' +
    'fill="#888" fill-opacity=".25"/><text x="120" y="76" font-family="sans-serif" font-size="14" ' +
    'fill="#777" text-anchor="middle">This browser shows no</text><text x="120" y="98" ' +
    'font-family="sans-serif" font-size="14" fill="#777" text-anchor="middle">photos of this kind' +
    "</text></svg>");
  document.addEventListener("error", (event) => {
    const image = event.target;
    if (!(image instanceof HTMLImageElement) || !image.closest("#photo, #references")) return;
    image.dataset.unshown = image.src;
    image.src = SIGN;
    mend();
  }, true);

  const showOurs = () => {
    for (const image of document.querySelectorAll("img[data-unshown]")) {
      if (image.src !== SIGN && !image.src.startsWith("data:image/jpeg")) {
        delete image.dataset.unshown; // another photo has come in its place
        continue;
      }
      const all = [...document.querySelectorAll("#references .thumbnail-item img")];
      const ours = image.closest("#photo")
        ? document.querySelector(".viewer .stack .photo")
        : document.querySelectorAll(".viewer .good-part")[all.indexOf(image)];
      if (ours && image.src !== ours.src) image.src = ours.src;
    }
  };

  const mend = () => {
    for (const item of document.querySelectorAll("#examples .gallery-item")) {
      const name = item.querySelector(".caption-label")?.textContent.trim();
      if (!name) continue;
      setUnlessSo(item.querySelector("button") || item, "aria-label", name);
      setUnlessSo(item.querySelector("img"), "alt", "");
    }
    document.querySelectorAll("#references .thumbnail-item").forEach((item, index) => {
      setUnlessSo(item, "aria-label", `Good part ${index + 1}`);
      setUnlessSo(item.querySelector("img"), "alt", "");
    });
    const talk = document.querySelector("#chat .bubble-wrap");
    setUnlessSo(talk, "tabindex", "0");
    setUnlessSo(talk, "aria-label", "Chat");
    showOurs();
  };

  // A verdict is brought into sight, and so are the bar before it and the table of a batch.
  const seen = {};
  const look = (part, news) => {
    const place = document.querySelector(part);
    const found = place?.querySelector(news);
    const now = found ? (found.matches("progress") ? "bar" : found.textContent) : "";
    if (now === seen[part]) return;
    seen[part] = now;
    if (!now) return;
    const box = place.getBoundingClientRect();
    if (box.top < 0 || box.top > 0.6 * innerHeight) place.scrollIntoView({block: "start"});
  };

  let waits = false;
  new MutationObserver(() => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      mend();
      look("#verdict", ".verdict, progress, .problem");
      look("#table", "progress, .problem, .batch-state[role]");
    });
  }).observe(document.documentElement, {childList: true, subtree: true});
})();
