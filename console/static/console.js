// What the templates cannot do: tell the server about clicks, count down, and keep focus and open parts across updates.
(() => {
  let focused = null, scrolled = false;
  const opened = new Map();
  const countdown = (seconds) => {
    const left = Math.max(0, Math.round(seconds));
    const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const text = `${parts[1]}:${String(parts[2]).padStart(2, "0")}`;
    return parts[0] ? `${parts[0]}:${text.padStart(5, "0")}` : text;
  };
  const elapsed = (seconds) => (seconds < 9.995 ? `${seconds.toFixed(2)} s` : seconds < 59.5 ? `${seconds.toFixed(0)} s` : countdown(seconds));
  const chosenNode = (target) => target.closest?.(".picture svg g.node");
  // Mermaid calls the node of state s4 "<picture>-flowchart-s4-17".
  const nodeId = (node) => node.id.match(/flowchart-(s\d+)-/)?.[1];

  document.addEventListener("click", (event) => {
    const sender = event.target.closest("[data-emit]");
    if (sender) emitEvent(sender.dataset.emit, sender.dataset.value);
    const node = chosenNode(event.target);
    if (node) emitEvent("node", nodeId(node));
  });
  document.addEventListener("keydown", (event) => {
    const node = chosenNode(event.target);
    if (node && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      emitEvent("node", nodeId(node));
    }
  });
  const key = (element) => element?.dataset?.key ?? (chosenNode(element ?? document.body) ? nodeId(element) : null);
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
    for (const svg of document.querySelectorAll(".picture svg[role]")) {
      svg.setAttribute("role", "group");
      svg.setAttribute("aria-label", "State machine");
      for (const node of svg.querySelectorAll("g.node")) {
        node.setAttribute("tabindex", "0");
        node.setAttribute("role", "button");
        node.setAttribute("aria-label", [...node.querySelectorAll("p, tspan.text-outer-tspan")].map((part) => part.innerText || part.textContent).join(" ").replace(/\s+/g, " "));
      }
      for (const marker of svg.querySelectorAll("marker")) marker.removeAttribute("aria-label");
      svg.removeAttribute("aria-roledescription");
      // Where the picture is wider than the screen, its beginning comes first.
      const picture = svg.closest(".picture"), first = svg.querySelector("g.node")?.getBoundingClientRect();
      if (first && !scrolled) picture.scrollLeft = first.left + first.width / 2 - picture.getBoundingClientRect().left - picture.clientWidth / 2;
      scrolled = true;
      svg.dataset.ready = "true";
    }
    const chosen = document.querySelector("[data-chosen]")?.dataset.chosen;
    for (const node of document.querySelectorAll(".picture svg g.node")) node.classList.toggle("chosen", nodeId(node) === chosen);
    // Mermaid gives an arrow its id, but not its class.
    const taken = new Set(document.querySelector("[data-taken]")?.dataset.taken.split(" "));
    for (const edge of document.querySelectorAll(".picture svg .flowchart-link")) edge.classList.toggle("taken", taken.has(edge.dataset.id));
    for (const part of document.querySelectorAll("details[data-key]")) {
      const wanted = opened.get(part.dataset.key);
      if (wanted !== undefined && part.open !== wanted) part.open = wanted;
    }
    if (focused && document.activeElement === document.body) {
      const again = document.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? [...document.querySelectorAll(".picture svg g.node")].find((node) => nodeId(node) === focused);
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
    for (const place of document.querySelectorAll("[data-node-due]")) {
      const node = [...document.querySelectorAll(".picture svg g.node")].find((one) => nodeId(one) === place.dataset.node);
      const left = countdown((Number(place.dataset.nodeDue) - now) / 1000);
      for (const text of node ? walk(node) : []) {
        const better = text.nodeValue.replace(/(next (?:in|within) )[\d:]+/, `$1${left}`);
        if (better !== text.nodeValue) text.nodeValue = better;
      }
    }
  };
  const walk = function* (root) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) yield walker.currentNode;
  };
  setInterval(tick, 250);
})();
