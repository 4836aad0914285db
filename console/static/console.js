// What the templates cannot do: tell the server about clicks, count down, and keep focus and open parts across updates.
(() => {
  let focused = null;
  const opened = new Map();
  const countdown = (seconds) => {
    const left = Math.max(0, Math.round(seconds));
    const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const text = `${parts[1]}:${String(parts[2]).padStart(2, "0")}`;
    return parts[0] ? `${parts[0]}:${text.padStart(5, "0")}` : text;
  };
  const elapsed = (seconds) => (seconds < 9.995 ? `${seconds.toFixed(2)} s` : seconds < 59.5 ? `${seconds.toFixed(0)} s` : countdown(seconds));
  const boxes = () => [...document.querySelectorAll(".picture .box")].filter((box) => box.getClientRects().length);
  const DIRECTIONS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

  document.addEventListener("click", (event) => {
    const sender = event.target.closest("[data-emit]");
    if (sender) emitEvent(sender.dataset.emit, sender.dataset.value);
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.(".picture .box");
    if (!box || event.altKey || event.ctrlKey || event.metaKey) return;
    if ((event.key === "Enter" || event.key === " ") && box.matches("g")) {
      event.preventDefault();
      emitEvent(box.dataset.emit, box.dataset.value);
    }
    if (!(event.key in DIRECTIONS)) return;
    event.preventDefault();
    const next = neighbour(box, DIRECTIONS[event.key]);
    if (!next) return;
    if (box.matches("g")) for (const one of boxes()) one.setAttribute("tabindex", one === next ? "0" : "-1");
    next.focus();
  });
  // The upper left corners are compared: a box that holds others begins before them. Sideways counts threefold, except into a box.
  const neighbour = (box, [right, down]) => {
    const from = box.getBoundingClientRect();
    let best = null, least = Infinity;
    for (const one of boxes()) {
      const to = one.getBoundingClientRect();
      const middle = (rect) => (right ? rect.left : rect.left + rect.width / 2);
      const along = right * (to.left - from.left) + down * (to.top - from.top);
      const across = Math.abs(right ? to.top - from.top : middle(to) - middle(from));
      const inside = to.left >= from.left && to.right <= from.right && to.bottom <= from.bottom;
      const far = along + (inside ? 0.1 : 3) * across;
      if (one !== box && along > 1 && far < least) [best, least] = [one, far];
    }
    return best;
  };
  const key = (element) => element?.dataset?.key ?? null;
  document.addEventListener("focusin", (event) => { focused = key(event.target); });
  document.addEventListener("focusout", (event) => { if (event.target.isConnected && event.relatedTarget) focused = null; });
  document.addEventListener("toggle", async (event) => {
    const part = event.target;
    if (!part.dataset?.key) return;
    opened.set(part.dataset.key, part.open);
    if (part.open && part.dataset.load) load(part);
  }, true);
  const load = async (part) => {
    const place = part.querySelector("pre");
    const url = part.dataset.load;
    delete part.dataset.load;
    const answer = await fetch(url).catch(() => null);
    place.textContent = answer?.ok ? await answer.text() : "It could not be read.";
  };

  const prepare = () => {
    for (const part of document.querySelectorAll("details[data-key]")) {
      const wanted = opened.get(part.dataset.key);
      if (wanted !== undefined && part.open !== wanted) part.open = wanted;
    }
    if (focused && document.activeElement === document.body) {
      const same = [...document.querySelectorAll(`[data-key="${CSS.escape(focused)}"]`)].find((one) => one.getClientRects().length);
      // What was unfolded is gone.
      const again = same ?? (focused === "others" ? boxes().at(-1) : null);
      again?.focus({ preventScroll: true });
    }
    tick();
  };
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; prepare(); });
  }).observe(document.documentElement, { childList: true, subtree: true });

  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const tick = () => {
    const now = Date.now();
    for (const place of document.querySelectorAll("[data-due]")) write(place, countdown((Number(place.dataset.due) - now) / 1000));
    for (const place of document.querySelectorAll("[data-since]")) write(place, elapsed((now - Number(place.dataset.since)) / 1000));
  };
  setInterval(tick, 250);
})();
