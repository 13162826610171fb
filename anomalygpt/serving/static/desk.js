// Opacity, boxes, enlarging and the marking of regions: all in the browser, without a request.
// One listener for the whole page, because Gradio replaces the viewer with every finding.
(() => {
  const viewerOf = (element) => element.closest && element.closest(".viewer");

  document.addEventListener("input", (event) => {
    const viewer = viewerOf(event.target);
    if (!viewer) return;
    const is = (name) => event.target.classList.contains(name);
    if (is("heat-slider")) viewer.style.setProperty("--heat", event.target.value / 100);
    if (is("boxes-switch")) viewer.classList.toggle("no-boxes", !event.target.checked);
    if (is("plain-switch")) viewer.classList.toggle("plain", event.target.checked);
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

  const enlarge = (viewer) => viewer.classList.toggle("large");
  document.addEventListener("click", (event) => {
    const viewer = viewerOf(event.target);
    if (viewer && event.target.closest(".stack, .enlarge")) enlarge(viewer);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape")
      document.querySelectorAll(".viewer.large").forEach((each) => each.classList.remove("large"));
    const viewer = viewerOf(event.target);
    if (viewer && event.target.classList.contains("stack") && ["Enter", " "].includes(event.key)) {
      event.preventDefault();
      enlarge(viewer);
    }
  });
})();
